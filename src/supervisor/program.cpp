#include "supervisor/program.hpp"

#include <fmt/format.h>
#include <signal.h>

#include <algorithm>

namespace clawql::supervisor {
namespace {

constexpr base::Milliseconds kFirstBackOff{50};
constexpr base::Milliseconds kLongestBackOff{1000};
constexpr base::Milliseconds kHealthy{10'000};
// A program that does not answer a ping for so long hangs, and is replaced.
constexpr base::Milliseconds kHeartbeat{30'000};

}  // namespace

Program::Program(Wiring wiring, std::string name, std::string path, Observer& observer)
    : wiring_(wiring),
      name_(std::move(name)),
      path_(std::move(path)),
      observer_(observer),
      restart_(wiring.loop, [this] { observer_.on_program_due(*this); }),
      heartbeat_(wiring.loop, [this] { beat(); }) {}

Program::~Program() {
  if (running()) kill_now();
}

Status Program::start(const std::optional<os::Identity>& identity, const std::vector<std::string>& environment) {
  CLAWQL_TRY(auto control, ipc::make_control_pair());
  CLAWQL_TRY(auto log, os::make_pipe());
  os::widen_pipe(log.second.get(), 256 << 10);
  CLAWQL_CHECKED(os::set_nonblocking(log.second.get()));
  os::SpawnRequest request;
  request.program = path_;
  request.arguments = {"clawql-" + name_, "--log-format",
                       wiring_.log.format() == base::Logger::Format::human ? "human" : "json"};
  request.environment = environment;
  request.fds = {-1, log.second.get(), log.second.get(), control.second.get()};
  request.identity = identity;
  request.parent_death_signal = SIGKILL;
  request.raise_file_limit = true;
  CLAWQL_TRY(child_, wiring_.spawner.spawn(request));
  ipc::ControlSocket::Handler& handler = *this;  // a private base: only this class may hand it out
  control_ = std::make_unique<ipc::ControlSocket>(wiring_.loop, std::move(control.first), handler);
  relay_ = std::make_unique<LogRelay>(wiring_.loop, std::move(log.first), wiring_.log_output);
  ready_ = false;
  pong_due_ = false;
  layers_.clear();
  started_at_ = wiring_.loop.now();
  heartbeat_.set(kHeartbeat);
  return {};
}

void Program::send(ipc::Control kind, std::string payload, std::vector<os::Fd> fds) {
  if (control_) control_->send(kind, std::move(payload), std::move(fds));
}

Status Program::send_settings(const std::string& json) {
  CLAWQL_TRY(os::Fd memory, ipc::make_payload_fd(json));
  std::vector<os::Fd> fds;
  fds.push_back(std::move(memory));
  send(ipc::Control::settings, {}, std::move(fds));
  return {};
}

void Program::beat() {
  if (pong_due_) {
    wiring_.log.error(name_ + ".hangs", {{"pid", static_cast<std::int64_t>(child_.pid)}});
    return kill_now();
  }
  pong_due_ = true;
  send(ipc::Control::ping);
  heartbeat_.set(kHeartbeat);
}

void Program::on_ready(const ipc::ControlMessage& message) {
  auto report = ipc::from_json<ipc::ReadyMessage>(message.payload);
  if (!report) {
    wiring_.log.error(name_ + ".protocol", {{"error", report.error().message}});
    return kill_now();
  }
  layers_ = std::move(report->layers);
  ready_ = true;
  early_deaths_ = 0;
}

void Program::on_message(ipc::ControlMessage message) {
  if (message.kind == ipc::Control::pong) {
    pong_due_ = false;
    return;
  }
  if (message.kind == ipc::Control::ready) on_ready(message);
  if (running()) observer_.on_program_message(*this, std::move(message));
}

void Program::on_closed(Error error) {
  // Either it is dead, and SIGCHLD follows, or it broke the protocol: then it has to die.
  wiring_.log.debug(name_ + ".control-closed", {{"error", error.message}});
  kill_now();
}

void Program::kill_now() {
  os::send_signal(child_.pidfd, SIGKILL);
}

void Program::let_go() {
  heartbeat_.clear();
  restart_.clear();
  if (control_) {
    // Not within a call of the socket: it may be the one that called us.
    std::shared_ptr<ipc::ControlSocket> old = std::move(control_);
    wiring_.loop.post([old] {});
  }
}

bool Program::on_exit(const os::Exit& exit) {
  if (child_.pid <= 0 || exit.pid != child_.pid) return false;
  const base::Microseconds lived = wiring_.loop.now() - started_at_;
  if (lived >= kHealthy) back_off_ = base::Milliseconds{0};
  if (!ready_) ++early_deaths_;
  let_go();
  relay_.reset();
  child_ = os::Child{};
  ready_ = false;
  observer_.on_program_died(*this, os::describe(exit));
  return true;
}

void Program::schedule_restart() {
  ++restarts_;
  if (back_off_.count() == 0) {
    wiring_.loop.post([this] { observer_.on_program_due(*this); });
  } else {
    restart_.set(back_off_);
  }
  back_off_ = std::clamp(back_off_ * 2, kFirstBackOff, kLongestBackOff);
}

}  // namespace clawql::supervisor
