#include "os/process.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <malloc.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>

#include "base/decimal.hpp"

namespace clawql::os {

// glibc raises both thresholds by itself with every large block that is freed, up to 32 MiB; set once, they stay.
void give_back_large_blocks() {
  constexpr int kLarge = 128 << 10;
  ::mallopt(M_MMAP_THRESHOLD, kLarge);
  ::mallopt(M_TRIM_THRESHOLD, 8 * kLarge);
}

std::string describe(const Exit& exit) {
  if (WIFSIGNALED(exit.status)) {
    const int number = WTERMSIG(exit.status);
    const char* name = ::sigabbrev_np(number);
    return name != nullptr ? fmt::format("killed by SIG{}", name) : fmt::format("killed by signal {}", number);
  }
  return fmt::format("exited with status {}", WEXITSTATUS(exit.status));
}

std::optional<Exit> reap_any() {
  Exit exit;
  do {
    exit.pid = ::waitpid(-1, &exit.status, WNOHANG | __WALL);
  } while (exit.pid < 0 && errno == EINTR);
  if (exit.pid <= 0) return std::nullopt;
  return exit;
}

std::vector<pid_t> children_of_self() {
  std::vector<pid_t> result;
  // Of each thread: a child belongs to the thread that forked it, an adopted one to any.
  std::ifstream file(fmt::format("/proc/self/task/{}/children", ::getpid()));
  std::string word;
  while (file >> word) {
    if (const auto pid = base::parse_decimal<std::uint32_t>(word)) result.push_back(static_cast<pid_t>(*pid));
  }
  return result;
}

void send_signal(const Fd& pidfd, int signal) {
  if (pidfd) ::syscall(SYS_pidfd_send_signal, pidfd.get(), signal, nullptr, 0);
}

std::string process_name(pid_t pid) {
  std::ifstream file(fmt::format("/proc/{}/comm", pid));
  std::string name;
  std::getline(file, name);
  return name;
}

Status become_subreaper() {
  if (::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0) return fail_system("prctl(PR_SET_CHILD_SUBREAPER)");
  return {};
}

Result<Fd> signal_descriptor(const std::vector<int>& signals) {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : signals) sigaddset(&set, signal);
  if (::sigprocmask(SIG_BLOCK, &set, nullptr) < 0) return fail_system("sigprocmask");
  struct sigaction ignore{};
  ignore.sa_handler = SIG_IGN;
  if (::sigaction(SIGPIPE, &ignore, nullptr) < 0) return fail_system("sigaction");
  Fd fd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd) return fail_system("signalfd");
  return fd;
}

std::optional<int> next_signal(const Fd& descriptor) {
  signalfd_siginfo info{};
  ssize_t got = 0;
  do {
    got = ::read(descriptor.get(), &info, sizeof info);
  } while (got < 0 && errno == EINTR);
  if (got != static_cast<ssize_t>(sizeof info)) return std::nullopt;
  return static_cast<int>(info.ssi_signo);
}

Result<std::pair<Fd, Fd>> make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) < 0) return fail_system("pipe2");
  return std::pair{Fd(ends[0]), Fd(ends[1])};
}

Status set_nonblocking(int fd) {
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags < 0 || ::fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) return fail_system("fcntl(O_NONBLOCK)");
  return {};
}

Result<Fd> duplicate(int fd) {
  Fd copy(::fcntl(fd, F_DUPFD_CLOEXEC, 3));
  if (!copy) return fail_system("duplicate a descriptor");
  return copy;
}

void raise_file_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

void widen_pipe(int fd, int bytes) {
  ::fcntl(fd, F_SETPIPE_SZ, bytes);
}

Fd own_log_descriptor(int fd) {
  struct stat facts{};
  if (::fstat(fd, &facts) == 0 && (S_ISFIFO(facts.st_mode) || S_ISCHR(facts.st_mode))) {
    const std::string path = fmt::format("/proc/self/fd/{}", fd);
    Fd own(::open(path.c_str(), O_WRONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
    if (own) return own;
  }
  return Fd(::fcntl(fd, F_DUPFD_CLOEXEC, 3));
}

}  // namespace clawql::os
