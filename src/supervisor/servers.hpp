// The stdio servers: started by name from the supervisor's own copy of the configuration, each behind a clawql-run,
// restarted with back-off, ended when the engine ends. The supervisor never reads a byte of theirs: the pipes go to the
// engine.
//
// A server has a shared instance, and, where its entry's `isolation` says so, more: each is a process of its own with a
// back-off of its own, under a number that the engine chose. ipc::ServerMessage has the rules between the two.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/log.hpp"
#include "config/config.hpp"
#include "io/loop.hpp"
#include "ipc/settings.hpp"
#include "os/process.hpp"
#include "os/spawn.hpp"

namespace clawql::supervisor {

class Servers {
 public:
  static constexpr std::uint64_t kShared = 0;  // the number of the shared instance

  class Observer {
   public:
    // `pipes`: write end of stdin, read end of stdout, read end of stderr.
    virtual void on_server_started(const ipc::ServerMessage& message, std::vector<os::Fd> pipes) = 0;
    virtual void on_server_exited(const ipc::ServerExited& message) = 0;

   protected:
    ~Observer() = default;
  };
  struct Wiring {
    io::Loop& loop;
    os::Spawner& spawner;
    base::Logger& log;
    std::string run_program;          // path of clawql-run
    config::Environment environment;  // the supervisor's own
  };
  Servers(Wiring wiring, Observer& observer);
  ~Servers();

  // The read end of the life pipe, and the identity of servers without `user:`.
  Status prepare(std::optional<os::Identity> identity);
  // Swaps the entries. Servers that are no longer in them, or disabled, are stopped, and so are the instances of those
  // that changed; the engine asks for the rest.
  void configure(std::shared_ptr<const config::Config> config);

  void start(std::string_view name, std::uint64_t instance);
  // An instance of its own is forgotten with it.
  void stop(std::string_view name, std::uint64_t instance);
  void restart(std::string_view name, std::uint64_t instance);
  // What an operator asks for: the shared instance, if it was ever started, and all others.
  void restart_all(std::string_view name);
  // We drain: nothing is to run any more.
  void stop_all();
  // The engine died: nothing is to run until the next one asks, and what it asks for must not be taken for what the
  // dead one had. So the instances of the dead engine end unheard.
  void end_with_engine();
  void kill_all();  // SIGKILL, for what did not end
  // Called for every dead child; true when it was one of these.
  bool on_exit(const os::Exit& exit);

  bool any_running() const;
  // An entry that is not disabled; nullptr when there is none.
  const config::Server* find(std::string_view name) const;
  std::set<pid_t> pids() const;

  struct ProcessDescription {
    std::uint64_t instance = kShared;
    std::string state;  // "stopped" | "running" | "stopping" | "waiting" (for the back-off) | "disabled"
    pid_t pid = 0;
    std::uint64_t restarts = 0;
  };
  struct Description {
    std::string name;
    std::string isolation;
    std::uint32_t max_instances = 0;
    ProcessDescription shared;
    std::vector<ProcessDescription> instances;  // by number
  };
  std::vector<Description> describe() const;

 private:
  using Key = std::pair<std::string, std::uint64_t>;  // name, instance
  struct Entry;
  // ---- which are to run (servers.cpp)
  Status room_for(const config::Server& server, std::uint64_t instance) const;
  Status may_start(std::string_view name, std::uint64_t instance) const;
  Entry* known(std::string_view name, std::uint64_t instance) const;
  Entry& entry(std::string_view name, std::uint64_t instance);
  void stop(Entry& entry);
  void forget_if_over(const Key& key);
  std::vector<Key> keys() const;

  // ---- the life of a process (server_life.cpp)
  void launch(Entry& entry);
  Result<std::vector<os::Fd>> spawn(Entry& entry, const config::Server& server);
  void ended(Entry& entry, const std::string& how);
  void end(Entry& entry);
  bool on_unheard_exit(const os::Exit& exit);

  Wiring wiring_;
  Observer& observer_;
  std::shared_ptr<const config::Config> config_;
  std::optional<os::Identity> identity_;
  os::Fd life_read_, life_write_;  // end-of-file on the first tells every clawql-run that we are gone
  std::map<Key, std::unique_ptr<Entry>> entries_;
  std::vector<std::unique_ptr<Entry>> unheard_;  // instances of an engine that died, until they have ended
  std::uint64_t instance_starts_ = 0;            // incarnations of instances, which are forgotten and may come again
};

// clawql-run's status as the operator reads it: 128+n is the signal that killed the server. `report` is what clawql-run
// wrote when the command could not be started.
std::string describe_end(const os::Exit& exit, std::string_view report);

}  // namespace clawql::supervisor
