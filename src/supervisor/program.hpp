// The door or the engine as a process: started with nothing but a control socket, watched, and started again. It ends
// by itself when our end of that socket goes away.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/log.hpp"
#include "ipc/control.hpp"
#include "ipc/settings.hpp"
#include "os/process.hpp"
#include "os/spawn.hpp"
#include "supervisor/log_relay.hpp"

namespace clawql::supervisor {

class Program final : private ipc::ControlSocket::Handler {
 public:
  class Observer {
   public:
    virtual void on_program_message(Program& program, ipc::ControlMessage message) = 0;
    // It is dead and reaped; `how` says what happened.
    virtual void on_program_died(Program& program, const std::string& how) = 0;
    // The back-off is over: start it now.
    virtual void on_program_due(Program& program) = 0;

   protected:
    ~Observer() = default;
  };
  struct Wiring {
    io::Loop& loop;
    os::Spawner& spawner;
    base::Logger& log;
    int log_output;  // borrowed
  };
  // `name` is "door" or "engine"; `path` the program.
  Program(Wiring wiring, std::string name, std::string path, Observer& observer);
  ~Program();

  Status start(const std::optional<os::Identity>& identity, const std::vector<std::string>& environment);
  void send(ipc::Control kind, std::string payload = {}, std::vector<os::Fd> fds = {});
  // Sends the settings in a sealed memfd.
  Status send_settings(const std::string& json);
  // Called for every dead child; true when it was this one.
  bool on_exit(const os::Exit& exit);
  // Asks the observer for a start after the back-off: at once after a healthy life, then 50 ms doubling to 1 s.
  void schedule_restart();
  void let_go();    // end-of-file on its control socket: it exits by itself
  void kill_now();  // SIGKILL

  const std::string& name() const { return name_; }
  bool running() const { return child_.pid > 0; }
  bool ready() const { return running() && ready_; }
  pid_t pid() const { return child_.pid; }
  std::uint64_t restarts() const { return restarts_; }
  std::uint64_t early_deaths() const { return early_deaths_; }  // in a row, before it ever was ready
  const std::vector<ipc::LayerMessage>& layers() const { return layers_; }

 private:
  void on_message(ipc::ControlMessage message) override;
  void on_closed(Error error) override;
  void on_ready(const ipc::ControlMessage& message);
  void beat();

  Wiring wiring_;
  std::string name_;
  std::string path_;
  Observer& observer_;
  os::Child child_;
  std::unique_ptr<ipc::ControlSocket> control_;
  std::unique_ptr<LogRelay> relay_;
  std::vector<ipc::LayerMessage> layers_;
  bool ready_ = false;
  bool pong_due_ = false;
  std::uint64_t restarts_ = 0;
  std::uint64_t early_deaths_ = 0;
  base::Microseconds started_at_{0};
  base::Milliseconds back_off_{0};
  io::Deadline restart_;
  io::Deadline heartbeat_;
};

}  // namespace clawql::supervisor
