// All that one shard of the engine has: its part of the audit, its line, the servers that it owns and its view of those
// that others own. Everything belongs to its loop; until the loops run, to the thread that makes them.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "engine/audit/audit.hpp"
#include "engine/line/shard.hpp"
#include "engine/upstream/exports.hpp"
#include "engine/upstream/imports.hpp"
#include "engine/upstream/launcher.hpp"
#include "engine/upstream/servers.hpp"
#include "io/loop.hpp"
#include "ipc/settings.hpp"
#include "telemetry/metrics.hpp"

namespace clawql::engine::shards {

class Unit final : private upstream::Server::Observer {
 public:
  struct Parts {  // borrowed, for the unit's life
    io::Loop& loop;
    base::Logger& log;
    telemetry::Registry& registry;
    line::Common& common;
    // Called on the unit's own loop.
    line::SupervisorLink& supervisor;
    upstream::Launcher& launcher;
    upstream::InstanceCounts& instances;  // of all shards
    std::function<void()> on_level_changed;
  };
  Unit(const Parts& parts, std::uint8_t number, std::unique_ptr<audit::Log> audit, const base::Limits& limits);
  ~Unit();
  // The others, this one among them, by number; before any loop runs.
  void connect(const std::vector<std::unique_ptr<Unit>>& units);

  io::Loop& loop() { return parts_.loop; }
  audit::Log& audit() { return *audit_; }
  line::Shard& line() { return line_; }
  const upstream::Exports& exports() const { return exports_; }
  const upstream::Imports& imports() const { return imports_; }

  // At start and at each reload.
  void apply(const ipc::EngineSettings& settings);
  void start();  // the servers that are to run before anybody calls them; once, after the lock-down
  void server_started(std::string_view name, upstream::Pipes pipes);
  void server_exited(const ipc::ServerExited& exit);

 private:
  void publish_all();
  void publish(upstream::Server& server);
  // upstream::Server::Observer, of the servers that it owns
  void on_offer_changed(upstream::Server& server) override;
  void on_settled(upstream::Server& server) override;
  void on_notification(upstream::Server& server, const json::Document& message) override;
  void on_request(upstream::Server& server, const json::Document& message) override;

  Parts parts_;
  std::unique_ptr<audit::Log> audit_;
  upstream::Servers servers_;  // before the line, whose sessions have instances of them
  line::Shard line_;
  upstream::Exports exports_;
  upstream::Imports imports_;
  bool started_ = false;
};

}  // namespace clawql::engine::shards
