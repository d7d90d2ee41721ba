// The engine: its shards, each on a loop and thread of its own. The first shard is on the loop that it is given, where
// the supervisor's line is too: that thread alone talks to the supervisor, and what the supervisor says is posted from
// there to the shard that it concerns. Made before the lock-down; the threads start after it, so that they inherit it.
//
// One shard is the plain case: then there is no other thread, and no call is ever posted.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <thread>
#include <vector>

#include "engine/line/common.hpp"
#include "engine/line/supervisor_link.hpp"
#include "engine/shards/unit.hpp"
#include "engine/upstream/launcher.hpp"

namespace clawql::engine::shards {

class Engine {
 public:
  // What the engine says to the supervisor; called on the first loop alone.
  class Supervisor : public upstream::Launcher, public line::SupervisorLink {
   public:
    virtual void need_audit_file() = 0;

   protected:
    ~Supervisor() = default;
  };
  struct Parts {  // borrowed, for the engine's life
    io::Loop& first;
    base::Logger& log;
    telemetry::Registry& registry;
    Supervisor& supervisor;
  };
  static constexpr std::uint32_t kMaxShards = 64;  // as the configuration allows; an id has room for 256

  // settings.shards is what it stays at. Fails when that is out of range, or the kernel gives no random numbers.
  static Result<std::unique_ptr<Engine>> make(const Parts& parts, const ipc::EngineSettings& settings);
  // Ends the threads, then what was theirs.
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // All on the first loop's thread.
  void apply(const ipc::EngineSettings& settings);  // at each reload
  void start();                                     // threads, then the servers that are to run from the start
  Status add_channel(std::uint32_t shard, os::Fd channel);
  void set_audit_file(os::Fd file);
  void server_started(std::string_view name, upstream::Pipes pipes);
  void server_exited(const ipc::ServerExited& exit);
  void admin_answer(const ipc::AdminAnswer& answer);
  void exposure(const ipc::ExposureMessage& message);
  void drain();  // supervisor.drained() once, when every shard is

  std::uint32_t shards() const { return static_cast<std::uint32_t>(units_.size()); }
  // For tests: on its own loop alone.
  Unit& unit(std::uint32_t number) { return *units_[number]; }

 private:
  class Voice;
  struct StatusRound;
  Engine(const Parts& parts, mcp::CursorSeal cursors);
  void add_unit(std::uint8_t number, const ipc::EngineSettings& settings);
  // Runs `task(unit)` on its loop: at once for the first, and for all while no thread runs.
  void on(std::uint32_t number, std::move_only_function<void(Unit&)> task);
  std::uint32_t shard_of(std::string_view server, std::uint64_t instance) const;
  void one_drained();
  void level_changed(std::uint32_t from);

  Parts parts_;
  line::Common common_;
  upstream::InstanceCounts instances_;
  std::vector<std::unique_ptr<io::Loop>> own_loops_;  // of the shards after the first; they outlive all units
  std::vector<std::unique_ptr<Voice>> voices_;
  std::vector<std::unique_ptr<Unit>> units_;
  std::vector<std::thread> threads_;
  std::size_t drained_ = 0;
  bool running_ = false;
};

}  // namespace clawql::engine::shards
