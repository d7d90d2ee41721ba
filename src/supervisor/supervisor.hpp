// The conductor: opens the listeners after the posture check, starts the door and the engine, starts servers when the
// engine asks by name, and starts again what dies. It never reads a byte from the network or from a server: its input
// is the configuration file, signals, and the control sockets of its two children, whose every message names something
// of its own configuration.
//
// One thread, one loop. run() returns the program's exit status.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/log.hpp"
#include "config/config.hpp"
#include "exposure/own/look.hpp"
#include "io/loop.hpp"
#include "ipc/control.hpp"
#include "os/spawn.hpp"
#include "supervisor/audit_files.hpp"
#include "supervisor/drift.hpp"
#include "supervisor/listeners.hpp"
#include "supervisor/privileges.hpp"
#include "supervisor/program.hpp"
#include "supervisor/servers.hpp"

namespace clawql::supervisor {

struct Options {
  config::Places places;
  std::function<Result<config::Config>()> load;  // reads the configuration, at start and at each reload
  config::Environment environment;               // the supervisor's own, for servers
  // Done once everything that needs privilege is open; apply_privileges but in tests.
  std::function<Status(const Privileges&)> give_up_privileges = apply_privileges;
  std::string libexec;            // folder of clawql-door, clawql-engine, clawql-run
  int log_output = 2;             // where the children's logs go; borrowed
  base::Microseconds started{0};  // monotonic; the time to listening is counted from here
};

inline constexpr int kExitClean = 0;
inline constexpr int kExitRefused = 1;
inline constexpr int kExitUsage = 2;

class Supervisor final : private Program::Observer, private Servers::Observer, private io::Watch::Handler {
 public:
  Supervisor(io::Loop& loop, os::Spawner& spawner, base::Logger& log, Options options);
  ~Supervisor();

  int run();

 private:
  // ---- start (supervisor.cpp)
  Status start();
  Status start_programs();
  Status start_one(Program& program);
  Status introduce_door();
  Status introduce_engine();
  Status connect_channels();
  Status bring_up(Program& program);
  void announce_when_ready();
  Status check_layers() const;
  void warn(const std::vector<std::string>& warnings);

  // ---- what children say and how they end (children.cpp)
  void on_program_message(Program& program, ipc::ControlMessage message) override;
  void on_program_died(Program& program, const std::string& how) override;
  void on_program_due(Program& program) override;
  void on_engine_message(const ipc::ControlMessage& message);
  void on_server_request(const ipc::ControlMessage& message);
  void on_admin(const ipc::ControlMessage& message);
  Result<std::string> change_server(const std::string& operation, const std::string& server);  // the JSON answer
  void send_next_audit_file();
  void on_server_started(const ipc::ServerMessage& message, std::vector<os::Fd> pipes) override;
  void on_server_exited(const ipc::ServerExited& message) override;
  void on_readable() override;  // signals
  void on_writable() override {}
  void reap();
  void end_orphans();
  static void end_everything();
  void break_off(Program& program, const std::string& why);

  // ---- reload (reload.cpp)
  Result<std::string> reload();  // the JSON answer
  Status check_reload(const config::Config& next) const;
  Status put_in_force(std::shared_ptr<const config::Config> next, const Listeners::Change& change);

  // ---- is it as declared? (exposure.cpp)
  Status look_at_self();
  std::vector<exposure::own::Finding> find_drift();
  void look_again();  // on the schedule, and after what may have changed something
  void tell_engine_of_drift(const std::vector<DriftChange>& changes);

  // ---- the end (drain.cpp)
  void drain();
  void drain_step();
  void finish(int status);
  enum class Phase : std::uint8_t { serving, finishing_requests, ending_servers, ending_engine, ending_door };

  std::string status() const;

  io::Loop& loop_;
  os::Spawner& spawner_;
  base::Logger& log_;
  Options options_;
  std::shared_ptr<const config::Config> config_;
  std::uint64_t generation_ = 1;
  std::int64_t started_wall_;
  Privileges privileges_;
  std::unique_ptr<Listeners> listeners_;
  std::unique_ptr<AuditFiles> audit_files_;
  Servers servers_;
  Program door_;
  Program engine_;
  std::vector<std::string> warnings_;
  std::unique_ptr<exposure::own::Look> look_;
  DriftBook drift_;
  std::vector<DriftChange> untold_;  // while no engine runs that could record them
  std::int64_t looked_at_ = 0;       // wall clock, seconds
  io::Deadline next_look_;
  os::Fd signals_;
  std::unique_ptr<io::Watch> signal_watch_;
  bool announced_ = false;
  Phase phase_ = Phase::serving;
  bool door_drained_ = false, engine_drained_ = false;
  io::Deadline phase_deadline_;
  int exit_status_ = kExitClean;
};

// What can be said of a configuration without binding anything (`--check`).
Status check_posture(const config::Config& config, const config::Places& places, std::vector<std::string>& warnings);

}  // namespace clawql::supervisor
