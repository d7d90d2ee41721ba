#include "supervisor/servers.hpp"

#include <fmt/format.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "os/users.hpp"
#include "supervisor/server_command.hpp"

namespace clawql::supervisor {
namespace {

constexpr base::Milliseconds kFirstBackOff{250};
constexpr base::Milliseconds kLongestBackOff{30'000};
constexpr base::Milliseconds kHealthy{60'000};
constexpr base::Milliseconds kPoliteEnd{500};       // after its stdin was closed, until TERM
constexpr base::Milliseconds kLaunchersTime{4000};  // clawql-run itself kills 2 s after TERM; then it is killed
constexpr int kPipeBytes = 256 << 10;
constexpr mode_t kServerUmask = 022;

std::string printable(std::string_view text) {
  std::string result(text.substr(0, text.find('\n')));
  std::ranges::replace_if(result, [](char c) { return c < 0x20 || c == 0x7F; }, '?');
  return result;
}

std::string read_report(const os::Fd& pipe) {
  std::array<char, 512> room{};
  const ssize_t got = ::read(pipe.get(), room.data(), room.size());
  return printable(std::string_view(room.data(), got > 0 ? static_cast<std::size_t>(got) : 0));
}

}  // namespace

std::string describe_end(const os::Exit& exit, std::string_view report) {
  if (!report.empty()) return fmt::format("could not be started: {}", report);
  if (WIFEXITED(exit.status) && WEXITSTATUS(exit.status) > 128) {
    const char* name = ::sigabbrev_np(WEXITSTATUS(exit.status) - 128);
    if (name != nullptr) return fmt::format("killed by SIG{}", name);
  }
  if (WIFSIGNALED(exit.status)) return "its launcher was " + os::describe(exit);
  return os::describe(exit);
}

struct Servers::Entry {
  Entry(Servers& servers, std::string name_)
      : name(std::move(name_)),
        retry(servers.wiring_.loop, [&servers, this] { servers.launch(*this); }),
        term(servers.wiring_.loop, [this] { os::send_signal(child.pidfd, SIGTERM); }),
        kill(servers.wiring_.loop, [this] { os::send_signal(child.pidfd, SIGKILL); }) {}
  bool running() const { return child.pid > 0; }

  std::string name;
  os::Child child;  // clawql-run
  os::Fd report;
  std::uint64_t incarnation = 0;
  std::uint64_t restarts = 0;
  base::Microseconds started_at{0};
  base::Milliseconds back_off{0};
  bool stopping = false;
  bool start_again = false;  // asked for while it was stopping
  io::Deadline retry, term, kill;
};

Servers::Servers(Wiring wiring, Observer& observer) : wiring_(std::move(wiring)), observer_(observer) {}

Servers::~Servers() {
  kill_all();
}

Status Servers::prepare(std::optional<os::Identity> identity) {
  identity_ = std::move(identity);
  CLAWQL_TRY(auto life, os::make_pipe());
  life_read_ = std::move(life.first);
  life_write_ = std::move(life.second);
  return {};
}

const config::Server* Servers::find(std::string_view name) const {
  if (!config_) return nullptr;
  const auto found = std::ranges::find(config_->servers, name, &config::Server::name);
  return found == config_->servers.end() || found->disabled ? nullptr : &*found;
}

bool Servers::knows(std::string_view name) const {
  return find(name) != nullptr;
}

Servers::Entry& Servers::entry(std::string_view name) {
  auto& place = entries_[std::string(name)];
  if (!place) place = std::make_unique<Entry>(*this, std::string(name));
  return *place;
}

void Servers::configure(std::shared_ptr<const config::Config> config) {
  config_ = std::move(config);
  for (auto& [name, one] : entries_) {
    if (!find(name)) stop(name);
  }
  std::erase_if(entries_, [&](const auto& one) { return !find(one.first) && !one.second->running(); });
}

void Servers::start(std::string_view name) {
  if (!find(name)) {
    const bool there =
        config_ && std::ranges::find(config_->servers, name, &config::Server::name) != config_->servers.end();
    const auto found = entries_.find(name);
    const std::uint64_t incarnation = found == entries_.end() ? 0 : found->second->incarnation;
    return observer_.on_server_exited({std::string(name), 0, incarnation,
                                       there ? "could not be started: it is disabled in the configuration"
                                             : "could not be started: there is no such server in the configuration",
                                       0});
  }
  Entry& one = entry(name);
  if (one.running()) {
    one.start_again = one.stopping;
  } else if (!one.retry.is_set()) {
    launch(one);
  }
}

void Servers::end(Entry& one) {
  if (!one.running() || one.stopping) return;
  one.stopping = true;
  one.term.set(kPoliteEnd);
  one.kill.set(kPoliteEnd + kLaunchersTime);
}

void Servers::stop(std::string_view name) {
  const auto found = entries_.find(name);
  if (found == entries_.end()) return;
  Entry& one = *found->second;
  one.retry.clear();
  one.start_again = false;
  one.back_off = base::Milliseconds{0};
  end(one);
}

void Servers::restart(std::string_view name) {
  if (!find(name)) return start(name);
  Entry& one = entry(name);
  one.back_off = base::Milliseconds{0};
  if (!one.running()) {
    one.retry.clear();
    return launch(one);
  }
  end(one);
  one.start_again = true;
}

void Servers::stop_all() {
  for (auto& [name, one] : entries_) stop(name);
}

void Servers::kill_all() {
  for (auto& [name, one] : entries_) os::send_signal(one->child.pidfd, SIGKILL);
}

Result<std::vector<os::Fd>> Servers::spawn(Entry& one, const config::Server& server) {
  os::User user = os::current_user();
  os::SpawnRequest request;
  request.identity = identity_;
  if (!server.user.empty()) {
    CLAWQL_TRY(user, os::find_user(server.user));
    if (user.identity.uid != ::geteuid()) request.identity = user.identity;
  } else if (identity_) {
    CLAWQL_TRY(user, os::find_user(fmt::format("{}", identity_->uid)));
  }
  CLAWQL_TRY(auto in, os::make_pipe());
  CLAWQL_TRY(auto out, os::make_pipe());
  CLAWQL_TRY(auto err, os::make_pipe());
  CLAWQL_TRY(auto report, os::make_pipe());
  for (const int fd : {in.second.get(), out.first.get()}) os::widen_pipe(fd, kPipeBytes);
  // The engine may not change descriptor flags, so its ends are made ready here.
  for (const int fd : {in.second.get(), out.first.get(), err.first.get(), report.first.get()}) {
    CLAWQL_CHECKED(os::set_nonblocking(fd));
  }
  request.program = wiring_.run_program;
  request.arguments = run_arguments(server, config_->require_sandbox);
  request.environment = server_environment(server, user, wiring_.environment);
  request.working_directory = server.working_directory.empty() ? user.home : server.working_directory;
  request.fds = {in.first.get(), out.second.get(), err.second.get(), life_read_.get(), report.second.get()};
  request.parent_death_signal = SIGTERM;
  request.umask = kServerUmask;
  CLAWQL_TRY(one.child, wiring_.spawner.spawn(request));
  one.report = std::move(report.first);
  std::vector<os::Fd> pipes;
  pipes.push_back(std::move(in.second));
  pipes.push_back(std::move(out.first));
  pipes.push_back(std::move(err.first));
  return pipes;
}

void Servers::launch(Entry& one) {
  const config::Server* server = find(one.name);
  if (server == nullptr) return;
  ++one.incarnation;
  one.stopping = false;
  one.start_again = false;
  one.started_at = wiring_.loop.now();
  auto pipes = spawn(one, *server);
  if (!pipes) return ended(one, "could not be started: " + pipes.error().message);
  if (one.incarnation > 1) ++one.restarts;
  wiring_.log.info(
      "server.started",
      {{"server", one.name}, {"pid", static_cast<std::int64_t>(one.child.pid)}, {"incarnation", one.incarnation}});
  observer_.on_server_started({one.name, 0, one.incarnation}, std::move(*pipes));
}

bool Servers::on_exit(const os::Exit& exit) {
  const auto found = std::ranges::find_if(entries_, [&](const auto& one) { return one.second->child.pid == exit.pid; });
  if (found == entries_.end()) return false;
  Entry& one = *found->second;
  const std::string how = describe_end(exit, read_report(one.report));
  one.child = os::Child{};
  one.report.reset();
  one.term.clear();
  one.kill.clear();
  ended(one, how);
  return true;
}

void Servers::ended(Entry& one, const std::string& how) {
  if (wiring_.loop.now() - one.started_at >= kHealthy) one.back_off = base::Milliseconds{0};
  const bool again = one.start_again || (!one.stopping && find(one.name) != nullptr);
  base::Milliseconds wait{0};
  if (again && !one.start_again) {
    one.back_off = std::clamp(one.back_off * 2, kFirstBackOff, kLongestBackOff);
    wait = one.back_off;
  } else if (again) {
    wait = base::Milliseconds{1};
  }
  // An end that was asked for is no warning.
  const auto level = one.stopping ? base::Level::info : base::Level::warning;
  one.stopping = false;
  if (again) one.retry.set(wait);
  const auto retry_ms = static_cast<std::uint64_t>(wait.count());
  wiring_.log.log(level, "server.exited",
                  {{"server", one.name}, {"how", how}, {"incarnation", one.incarnation}, {"retry_ms", retry_ms}});
  observer_.on_server_exited({one.name, 0, one.incarnation, how, retry_ms});
}

bool Servers::any_running() const {
  return std::ranges::any_of(entries_, [](const auto& one) { return one.second->running(); });
}

std::set<pid_t> Servers::pids() const {
  std::set<pid_t> result;
  for (const auto& [name, one] : entries_) {
    if (one->running()) result.insert(one->child.pid);
  }
  return result;
}

std::vector<Servers::Description> Servers::describe() const {
  std::vector<Description> result;
  if (!config_) return result;
  for (const config::Server& server : config_->servers) {
    Description description{server.name, server.disabled ? "disabled" : "stopped", 0, 0};
    if (const auto found = entries_.find(server.name); found != entries_.end()) {
      const Entry& one = *found->second;
      description.pid = std::max(one.child.pid, 0);
      description.restarts = one.restarts;
      if (one.running()) description.state = one.stopping ? "stopping" : "running";
      if (one.retry.is_set()) description.state = "waiting";
    }
    result.push_back(std::move(description));
  }
  return result;
}

}  // namespace clawql::supervisor
