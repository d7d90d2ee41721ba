// One instance of an entry, for its owner: a server that has a process while somebody uses it. The process starts when
// the instance is woken or called, within the limits, and ends when nobody called for `instanceIdleSeconds` or the
// owner ends it. Each process of it has a number that was never used before; the lists outlive an idle one.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "engine/upstream/own_server.hpp"
#include "engine/upstream/stdio_server.hpp"
#include "engine/upstream/subscriptions.hpp"

namespace clawql::engine::upstream {

class Instances;

class Instance final : public OwnServer, private Server::Observer {
 public:
  Instance(Instances& all, const ipc::ServerSettings& settings, const InstanceOrder& order, Server::Observer& observer);
  ~Instance() override;

  const std::string& name() const override { return settings_.name; }
  const std::string& prefix() const override { return settings_.prefix; }
  State state() const override { return process_ ? process_->state() : State::stopped; }
  bool worth_waiting_for() const override;
  std::shared_ptr<const Offer> offer() const override { return offer_; }
  Description describe() const override;
  std::optional<CallId> call(const OutgoingRequest& request, CallSink& sink) override;
  void cancel(CallId call, std::string_view reason) override;
  void set_log_level(std::string_view level) override;
  void subscribe(std::string_view uri) override;
  void unsubscribe(std::string_view uri) override;
  void send(std::string_view message) override;
  void wake() override { start(); }
  void end() override;
  std::uint64_t generation() const override { return process_ ? process_->generation() : 0; }
  void keep_until(base::Microseconds time) override { keep_until_ = std::max(keep_until_, time); }
  bool is_over_limit() const override { return over_limit_; }

  // The supervisor's number of its process; kShared while it has none.
  std::uint64_t number() const { return process_ ? process_->role().instance : kShared; }
  const std::string& owner() const { return order_.owner; }
  void started(Pipes pipes);
  void exited(const ipc::ServerExited& exit);
  // At a reload.
  void change(const ipc::ServerSettings& settings);

 private:
  bool start();  // false: over the limit
  void let_go();
  void look_whether_idle();
  void take_offer();
  void on_offer_changed(Server& server) override;
  void on_settled(Server& server) override;
  void on_notification(Server& server, const json::Document& message) override;
  void on_request(Server& server, const json::Document& message) override;

  Instances& all_;
  ipc::ServerSettings settings_;
  const InstanceOrder order_;
  Server::Observer& observer_;
  std::unique_ptr<StdioServer> process_;
  std::shared_ptr<const Offer> offer_ = std::make_shared<const Offer>();
  Subscriptions subscriptions_;
  std::string log_level_;
  bool over_limit_ = false, ended_ = false;
  base::Microseconds last_used_{0}, keep_until_{0};
  io::Deadline idle_;
};

}  // namespace clawql::engine::upstream
