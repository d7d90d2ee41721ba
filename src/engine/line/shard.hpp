// One shard of the engine: its channels to the door, its sessions, and the servers behind it. Streams come in here and
// become exchanges; lists that change go out from here. Everything belongs to one loop; what the shards count together
// is in Common.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "engine/line/core.hpp"
#include "engine/line/exchange.hpp"
#include "engine/line/line.hpp"
#include "engine/line/own_servers.hpp"
#include "engine/line/status.hpp"
#include "engine/line/supervisor_link.hpp"
#include "ipc/channel.hpp"

namespace clawql::engine::line {

class Shard final : public upstream::Server::Observer, private ipc::EngineChannel::Handler, private io::TurnEnd {
 public:
  struct Parts {  // borrowed, for the shard's life
    io::Loop& loop;
    base::Logger& log;
    audit::Log& audit;
    telemetry::Registry& registry;
    SupervisorLink& supervisor;
    Common& common;
    // Makes the processes of `isolation: session` and `principal`; null: there are none.
    upstream::InstanceMaker* instances = nullptr;
    std::function<void()> on_level_changed{};  // what sessions here want to hear: tells the other shards
  };
  // `number`: the first byte of its sessions' ids.
  Shard(const Parts& parts, std::uint8_t number, const base::Limits& limits);
  ~Shard();

  void add_channel(os::Fd socket);
  // The servers in configuration order, borrowed. Calls of those that were here and are no longer fail before this
  // returns; sessions stay.
  void set_servers(std::vector<mcp::ServerSlot> servers);
  void set_limits(const base::Limits& limits) { core_.limits = limits; }
  void set_listeners(const std::vector<ipc::ListenerSettings>& listeners) { core_.auditor.set_listeners(listeners); }
  // `others`: what the other shards say of themselves, now, for an answer that is about all.
  void admin_answer(const ipc::AdminAnswer& answer, std::vector<ShardStatus> others = {});
  ShardStatus status() const { return status_of(core_); }
  void apply_common_log_level() { line_.apply_common_log_level(); }
  // No new request; what is in flight has limits.drain_seconds, then the supervisor is told.
  void drain();

  Core& core() { return core_; }

  // upstream::Server::Observer
  void on_offer_changed(upstream::Server& server) override;
  void on_settled(upstream::Server& server) override;
  void on_notification(upstream::Server& server, const json::Document& message) override;
  void on_request(upstream::Server& server, const json::Document& message) override;

 private:
  ipc::EngineStreamHandler& on_open(ipc::EngineChannel& channel, ipc::StreamId stream, const ipc::Open& open) override;
  void on_refusals(const std::vector<ipc::RefusalCount>& counts) override;
  void on_closed(Error error) override;
  void on_turn_end() override;

  void merge_lists();
  void report_hidden(const mcp::Catalog& before) const;
  void announce_soon();
  void announce();
  void sweep();
  void patrol();
  void check_drained();

  std::optional<OwnServers> own_servers_;  // before the sessions that use it
  Core core_;
  Line line_;
  ExchangeStore exchanges_;
  AdminDesk desk_;
  SupervisorLink& supervisor_;
  std::vector<std::unique_ptr<ipc::EngineChannel>> channels_;
  io::Deadline announce_;  // list_changed goes out once for many changes
  io::Deadline sweep_;
  io::Deadline patrol_;  // while requests wait for servers, or the gateway drains
  base::Microseconds drain_until_{0};
  bool drained_ = false;
  std::uint32_t sweeps_ = 0;
};

}  // namespace clawql::engine::line
