// What door and engine say, how children end, and the signals.
#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <thread>

#include "os/process.hpp"
#include "supervisor/status.hpp"
#include "supervisor/supervisor.hpp"

namespace clawql::supervisor {
namespace {

// A program that never became ready this often in a row will not become so.
constexpr std::uint64_t kMostEarlyDeaths = 3;
// Orphans die one generation at a time: each death may hand us more.
constexpr int kOrphanRounds = 64;
constexpr std::size_t kMostAnswerBytes = 60U << 10;

constexpr int kLastRounds = 100;
constexpr base::Milliseconds kLastPause{10};

}  // namespace

// After the last of ours: whatever is still our child, or becomes it while others die, goes too. A process that even
// SIGKILL does not end at once (it waits for a device) must not hold us for ever.
void Supervisor::end_everything() {
  for (int round = 0; round < kLastRounds; ++round) {
    while (os::reap_any()) {
    }
    const std::vector<pid_t> left = os::children_of_self();
    if (left.empty()) return;
    for (const pid_t pid : left) ::kill(pid, SIGKILL);
    std::this_thread::sleep_for(kLastPause);
  }
}

void Supervisor::break_off(Program& program, const std::string& why) {
  log_.error(program.name() + ".protocol", {{"error", why}});
  program.kill_now();
}

// The table of ipc/control.hpp, from the children's side.
void Supervisor::on_program_message(Program& program, ipc::ControlMessage message) {
  if (message.kind == ipc::Control::ready) return announce_when_ready();
  if (message.kind == ipc::Control::drained) {
    (&program == &door_ ? door_drained_ : engine_drained_) = true;
    return drain_step();
  }
  if (&program == &engine_) return on_engine_message(message);
  break_off(program, fmt::format("the door sent `{}`", ipc::name(message.kind)));
}

void Supervisor::on_engine_message(const ipc::ControlMessage& message) {
  if (!message.fds.empty()) return break_off(engine_, "the engine sent a descriptor");
  switch (message.kind) {
    case ipc::Control::server_start:
    case ipc::Control::server_stop:
    case ipc::Control::server_restart: return on_server_request(message);
    case ipc::Control::next_audit_file: return send_next_audit_file();
    case ipc::Control::admin: return on_admin(message);
    case ipc::Control::settings:
    case ipc::Control::listener:
    case ipc::Control::close_listener:
    case ipc::Control::channel:
    case ipc::Control::audit_file:
    case ipc::Control::server_started:
    case ipc::Control::server_exited:
    case ipc::Control::admin_answer:
    case ipc::Control::exposure:
    case ipc::Control::start:
    case ipc::Control::drain:
    case ipc::Control::ping:
    case ipc::Control::ready:
    case ipc::Control::pong:
    case ipc::Control::drained: break;
  }
  break_off(engine_, fmt::format("the engine sent `{}`", ipc::name(message.kind)));
}

void Supervisor::on_server_request(const ipc::ControlMessage& message) {
  const auto request = ipc::from_json<ipc::ServerMessage>(message.payload);
  if (!request) return break_off(engine_, request.error().message);
  if (message.kind == ipc::Control::server_stop) return servers_.stop(request->name, request->instance);
  if (phase_ != Phase::serving) return;
  if (message.kind == ipc::Control::server_restart) return servers_.restart(request->name, request->instance);
  servers_.start(request->name, request->instance);
}

void Supervisor::send_next_audit_file() {
  auto file = audit_files_->next();
  if (!file) return log_.error("audit.file", {{"error", file.error().message}});
  std::vector<os::Fd> fds;
  fds.push_back(std::move(*file));
  engine_.send(ipc::Control::audit_file, {}, std::move(fds));
}

void Supervisor::on_admin(const ipc::ControlMessage& message) {
  const auto request = ipc::from_json<ipc::AdminRequest>(message.payload);
  if (!request) return break_off(engine_, request.error().message);
  ipc::AdminAnswer answer{request->token, true, {}};
  const auto refuse = [&](const std::string& why) {
    answer.ok = false;
    answer.text = error_json(why);
  };
  if (request->operation == "status") {
    answer.text = status();
  } else {
    auto done = request->operation == "reload" ? reload() : change_server(request->operation, request->argument);
    if (done) {
      answer.text = std::move(*done);
    } else {
      refuse(done.error().message);
    }
  }
  std::string payload = ipc::to_json(answer);
  if (payload.size() > kMostAnswerBytes) {
    refuse("the answer is too long; see the log");
    payload = ipc::to_json(answer);
  }
  engine_.send(ipc::Control::admin_answer, std::move(payload));
}

// start | restart NAME, for an operator.
Result<std::string> Supervisor::change_server(const std::string& operation, const std::string& server) {
  if (operation != "start" && operation != "restart") return fail("no such operation");
  const config::Server* const found = servers_.find(server);
  if (found == nullptr) return fail("there is no such server in the configuration, or it is disabled");
  if (operation == "start" && found->isolation != config::Isolation::shared)
    return fail("its instances start with those who use it; `restart` ends and starts the ones that run");
  log_.info("admin.server", {{"operation", operation}, {"server", server}});
  if (operation == "start") {
    servers_.start(server, Servers::kShared);
  } else {
    servers_.restart_all(server);
  }
  std::string name;
  base::append_json_string(name, server);
  return fmt::format(R"({{"server":{},"operation":"{}"}})", name, operation);
}

void Supervisor::on_server_started(const ipc::ServerMessage& message, std::vector<os::Fd> pipes) {
  engine_.send(ipc::Control::server_started, ipc::to_json(message), std::move(pipes));
}

void Supervisor::on_server_exited(const ipc::ServerExited& message) {
  engine_.send(ipc::Control::server_exited, ipc::to_json(message));
}

void Supervisor::on_program_died(Program& program, const std::string& how) {
  if (phase_ != Phase::serving) {
    log_.info(program.name() + ".ended", {{"how", how}});
    return drain_step();
  }
  log_.error(program.name() + ".crash", {{"how", how}});
  if (&program == &engine_) servers_.end_with_engine();
  if (!announced_ && program.early_deaths() >= kMostEarlyDeaths) {
    log_.error("start.refused",
               {{"reason", fmt::format("clawql-{} ended {} times before it was ready; its log says why", program.name(),
                                       program.early_deaths())}});
    return finish(kExitRefused);
  }
  program.schedule_restart();
}

void Supervisor::on_program_due(Program& program) {
  if (phase_ != Phase::serving || program.running()) return;
  if (auto up = bring_up(program); !up) {
    log_.error(program.name() + ".start-failed", {{"error", up.error().message}});
    if (program.running()) return program.kill_now();
    program.schedule_restart();
  }
}

void Supervisor::on_readable() {
  while (const auto signal = os::next_signal(signals_)) {
    if (*signal == SIGCHLD) {
      reap();
    } else if (*signal == SIGHUP) {
      // The outcome is in the log.
      if (phase_ == Phase::serving) [[maybe_unused]]
        const auto outcome = reload();
    } else {
      drain();
    }
  }
  signal_watch_->want_read();
}

void Supervisor::reap() {
  bool orphan = false;
  while (const auto exit = os::reap_any()) {
    if (door_.on_exit(*exit) || engine_.on_exit(*exit)) continue;
    // A launcher that died leaves us its descendants; one that we adopted may have children of its own.
    servers_.on_exit(*exit);
    orphan = true;
  }
  if (orphan) end_orphans();
  if (phase_ != Phase::serving) drain_step();
}

void Supervisor::end_orphans() {
  for (int round = 0; round < kOrphanRounds; ++round) {
    const std::set<pid_t> servers = servers_.pids();
    bool found = false;
    for (const pid_t pid : os::children_of_self()) {
      if (pid == door_.pid() || pid == engine_.pid() || servers.contains(pid)) continue;
      // It is our child and not reaped: the number cannot be another process's.
      if (::kill(pid, SIGKILL) == 0) log_.warning("orphan.killed", {{"pid", static_cast<std::int64_t>(pid)}});
      found = true;
    }
    if (!found) return;
    bool reaped = false;
    while (const auto exit = os::reap_any()) {
      reaped = true;
      if (!door_.on_exit(*exit) && !engine_.on_exit(*exit)) servers_.on_exit(*exit);
    }
    if (!reaped) return;  // they are dying: the next SIGCHLD brings us back
  }
}

}  // namespace clawql::supervisor
