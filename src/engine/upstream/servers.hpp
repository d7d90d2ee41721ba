// All servers that one shard owns, in configuration order, the built-in one first (it is shard 0's): what the line
// routes to, what the supervisor's reports are for, and what a reload changes. A server that stays in the configuration
// stays the same object; only one whose entry changed is restarted.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/log.hpp"
#include "engine/audit/audit.hpp"
#include "engine/upstream/builtin_server.hpp"
#include "engine/upstream/instances.hpp"
#include "engine/upstream/launcher.hpp"
#include "engine/upstream/stdio_server.hpp"
#include "ipc/settings.hpp"
#include "ipc/shards.hpp"

namespace clawql::engine::upstream {

using ipc::shard_of;

class Servers {
 public:
  struct Parts {  // all borrowed, for the life of this
    io::Loop& loop;
    Launcher& launcher;
    Server::Observer& observer;
    base::Logger& log;
    telemetry::Registry& metrics;
    audit::Log* audit = nullptr;       // the shard's own; null: no events, and no built-in server
    InstanceCounts* counts = nullptr;  // of all shards; null: this one counts for itself
  };
  struct Slot {
    Server* server;
    // The same entry spoken to in the modern era, by a process of its own; null where there is none. Of use when
    // `server` speaks both eras.
    Server* modern;
    std::uint64_t call_seconds;  // 0: limits.call_seconds
  };

  Servers(Parts parts, std::uint32_t shard);
  ~Servers();
  Servers(const Servers&) = delete;
  Servers& operator=(const Servers&) = delete;

  // At start and at each reload. Servers that are gone fail their calls, are stopped, and stay valid until the loop's
  // next turn, so that the line can let go of them.
  void apply(const ipc::EngineSettings& settings);
  // Starts what is to run before anybody calls it; after the lock-down, and again after each reload.
  void start_eager();
  // In configuration order, the built-in one first.
  std::vector<Slot> slots() const;
  // By the name of an entry, or modern_key() of it. Null when it is not (or no longer) here.
  Server* find(std::string_view key) const;
  // The other way round; empty for a server that is not of this list.
  std::string key_of(const Server& server) const;

  // Those that sessions and principals of this shard have for themselves.
  Instances& instances() { return instances_; }

  // From the supervisor; pipes of a server that is not here are closed.
  void started(std::string_view name, Pipes pipes);
  void exited(const ipc::ServerExited& exit);

  std::vector<Description> describe() const;

 private:
  struct Entry {
    ipc::ServerSettings settings;
    std::unique_ptr<StdioServer> server;
    std::unique_ptr<StdioServer> modern;  // runs once it was called
  };
  Entry make_entry(const ipc::ServerSettings& settings, const base::Limits& limits);
  StdioServer* find(std::string_view name, std::uint64_t instance) const;
  void retire(std::unique_ptr<StdioServer> server);
  void note(std::string_view server, std::string_view subtype, std::string_view detail, audit::Outcome outcome);

  Parts parts_;
  const std::uint32_t shard_;
  std::unique_ptr<BuiltinServer> builtin_;
  std::vector<Entry> entries_;
  InstanceCounts own_counts_;
  Instances instances_;
};

}  // namespace clawql::engine::upstream
