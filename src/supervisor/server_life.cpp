// One process: its start behind clawql-run, its end, and its back-off.
#include <fmt/format.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "os/users.hpp"
#include "supervisor/server_command.hpp"
#include "supervisor/server_entry.hpp"
#include "supervisor/servers.hpp"

namespace clawql::supervisor {
namespace {

constexpr base::Milliseconds kFirstBackOff{250};
constexpr base::Milliseconds kLongestBackOff{30'000};
constexpr base::Milliseconds kHealthy{60'000};
constexpr base::Milliseconds kPoliteEnd{500};       // after its stdin was closed, until TERM
constexpr base::Milliseconds kLaunchersTime{4000};  // clawql-run itself kills 2 s after TERM; then it is killed
constexpr int kPipeBytes = 256 << 10;
constexpr int kReportBytes = 4096;
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

void Servers::end(Entry& one) {
  if (!one.running() || one.stopping) return;
  one.stopping = true;
  one.term.set(kPoliteEnd);
  one.kill.set(kPoliteEnd + kLaunchersTime);
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
  // Only what all clients share gets wide pipes: the kernel gives a user 64 MiB of pipes (pipe-user-pages-soft), and a
  // hundred wide instances would leave it pipes of two pages.
  if (one.shared()) {
    for (const int fd : {in.second.get(), out.first.get()}) os::widen_pipe(fd, kPipeBytes);
  }
  os::widen_pipe(report.first.get(), kReportBytes);
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
  // An instance may be forgotten and come again under its number, so these count all of them.
  one.incarnation = one.shared() ? one.incarnation + 1 : ++instance_starts_;
  ++one.attempts;
  one.stopping = false;
  one.start_again = false;
  one.started_at = wiring_.loop.now();
  auto pipes = spawn(one, *server);
  if (!pipes) return ended(one, "could not be started: " + pipes.error().message);
  if (one.attempts > 1) ++one.restarts;
  wiring_.log.info("server.started", {{"server", one.name},
                                      {"instance", one.instance},
                                      {"pid", static_cast<std::int64_t>(one.child.pid)},
                                      {"incarnation", one.incarnation}});
  observer_.on_server_started({one.name, one.instance, one.incarnation}, std::move(*pipes));
}

bool Servers::on_exit(const os::Exit& exit) {
  const auto found = std::ranges::find_if(entries_, [&](const auto& one) { return one.second->child.pid == exit.pid; });
  if (found == entries_.end()) return on_unheard_exit(exit);
  const Key key = found->first;
  Entry& one = *found->second;
  const std::string how = describe_end(exit, read_report(one.report));
  one.child = os::Child{};
  one.report.reset();
  one.term.clear();
  one.kill.clear();
  ended(one, how);
  forget_if_over(key);
  return true;
}

bool Servers::on_unheard_exit(const os::Exit& exit) {
  const auto found = std::ranges::find_if(unheard_, [&](const auto& one) { return one->child.pid == exit.pid; });
  if (found == unheard_.end()) return false;
  wiring_.log.info("server.exited",
                   {{"server", (*found)->name}, {"instance", (*found)->instance}, {"how", describe_end(exit, {})}});
  unheard_.erase(found);
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
                  {{"server", one.name},
                   {"instance", one.instance},
                   {"how", how},
                   {"incarnation", one.incarnation},
                   {"retry_ms", retry_ms}});
  observer_.on_server_exited({one.name, one.instance, one.incarnation, how, retry_ms});
}

}  // namespace clawql::supervisor
