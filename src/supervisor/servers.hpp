// The stdio servers: started by name from the supervisor's own copy of the configuration, each behind a clawql-run,
// restarted with back-off, ended when the engine ends. The supervisor never reads a byte of theirs: the pipes go to the
// engine.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
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
  // Swaps the entries. Servers that are no longer in them, or disabled, are stopped; the engine asks for the rest.
  void configure(std::shared_ptr<const config::Config> config);

  void start(std::string_view name);
  void stop(std::string_view name);
  void restart(std::string_view name);
  // The engine died, or we drain: nothing is to run any more until it is asked for again.
  void stop_all();
  void kill_all();  // SIGKILL, for what did not end
  // Called for every dead child; true when it was one of these.
  bool on_exit(const os::Exit& exit);

  bool any_running() const;
  bool knows(std::string_view name) const;  // an entry that is not disabled
  std::set<pid_t> pids() const;

  struct Description {
    std::string name;
    std::string state;  // "stopped" | "running" | "stopping" | "waiting" (for the back-off) | "disabled"
    pid_t pid = 0;
    std::uint64_t restarts = 0;
  };
  std::vector<Description> describe() const;

 private:
  struct Entry;
  Entry& entry(std::string_view name);
  const config::Server* find(std::string_view name) const;
  void launch(Entry& entry);
  Result<std::vector<os::Fd>> spawn(Entry& entry, const config::Server& server);
  void ended(Entry& entry, const std::string& how);
  void end(Entry& entry);

  Wiring wiring_;
  Observer& observer_;
  std::shared_ptr<const config::Config> config_;
  std::optional<os::Identity> identity_;
  os::Fd life_read_, life_write_;  // end-of-file on the first tells every clawql-run that we are gone
  std::map<std::string, std::unique_ptr<Entry>, std::less<>> entries_;
};

// clawql-run's status as the operator reads it: 128+n is the signal that killed the server. `report` is what clawql-run
// wrote when the command could not be started.
std::string describe_end(const os::Exit& exit, std::string_view report);

}  // namespace clawql::supervisor
