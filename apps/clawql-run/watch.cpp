#include "watch.hpp"

#include <poll.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <initializer_list>

#include "descendants.hpp"
#include "launch.hpp"

namespace clawql::run {
namespace {

constexpr std::int64_t kGraceMilliseconds = 2000;     // between TERM and KILL
constexpr std::int64_t kKillAgainMilliseconds = 100;  // something forked away while the others were killed
constexpr std::int64_t kForever = -1;
constexpr int kCannotWatch = 125;

sigset_t watched_signals() {
  sigset_t set;
  ::sigemptyset(&set);
  for (const int signal : {SIGCHLD, SIGTERM, SIGINT, SIGHUP}) ::sigaddset(&set, signal);
  return set;
}

std::int64_t now_milliseconds() {
  timespec now{};
  static_cast<void>(::clock_gettime(CLOCK_MONOTONIC, &now));
  return std::int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1'000'000;
}

int exit_status(int wait_status) {
  return WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
}

class Watcher {
 public:
  Watcher(int server, int signals, int life) : server_(server), signals_(signals), life_(life) {}

  int run() {
    while (reap()) {
      if (wants_end_ && kill_at_ == kForever) {
        ask_all_to_end();
        kill_at_ = now_milliseconds() + kGraceMilliseconds;
      }
      if (kill_at_ != kForever && now_milliseconds() >= kill_at_) {
        kill_all();
        kill_at_ = now_milliseconds() + kKillAgainMilliseconds;
      }
      wait();
    }
    return status_;
  }

 private:
  // False: no child is left.
  bool reap() {
    for (;;) {
      int wait_status = 0;
      const int pid = ::waitpid(-1, &wait_status, WNOHANG);
      if (pid == 0) return true;
      if (pid < 0) return errno != ECHILD;
      if (pid != server_) continue;
      status_ = exit_status(wait_status);
      wants_end_ = true;  // whatever it left behind ends with it
    }
  }

  void wait() {
    std::array<pollfd, 2> watched{{{signals_, POLLIN, 0}, {life_, POLLIN, 0}}};  // poll ignores a negative descriptor
    const std::int64_t timeout =
        kill_at_ == kForever ? kForever : std::max<std::int64_t>(kill_at_ - now_milliseconds(), 0);
    if (::poll(watched.data(), watched.size(), static_cast<int>(timeout)) <= 0) return;
    if (watched[0].revents != 0) take_signal();
    if (watched[1].revents != 0) look_at_life_pipe();
  }

  void take_signal() {
    signalfd_siginfo info{};
    if (::read(signals_, &info, sizeof info) == sizeof info && info.ssi_signo != SIGCHLD) wants_end_ = true;
  }

  void look_at_life_pipe() {
    std::array<char, 64> ignored{};
    if (::read(life_, ignored.data(), ignored.size()) > 0) return;
    wants_end_ = true;
    life_ = -1;
  }

  const int server_;
  const int signals_;
  int life_;
  int status_ = kCannotWatch;
  bool wants_end_ = false;
  std::int64_t kill_at_ = kForever;
};

}  // namespace

void block_watched_signals() {
  const sigset_t set = watched_signals();
  ::sigprocmask(SIG_SETMASK, &set, nullptr);
}

int watch(int server, bool has_life_pipe) {
  const sigset_t set = watched_signals();
  const int signals = ::signalfd(-1, &set, SFD_CLOEXEC);
  if (signals < 0) {
    ::kill(server, SIGKILL);
    return kCannotWatch;
  }
  return Watcher(server, signals, has_life_pipe ? kLifeFd : -1).run();
}

int watch_namespace(int init) {
  const sigset_t set = watched_signals();
  for (;;) {
    int wait_status = 0;
    if (::waitpid(init, &wait_status, WNOHANG) == init) return exit_status(wait_status);
    if (::sigwaitinfo(&set, nullptr) != SIGCHLD) ::kill(init, SIGTERM);
  }
}

}  // namespace clawql::run
