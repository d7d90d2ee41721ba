#include "launch.hpp"

#include <fcntl.h>
#include <linux/close_range.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <string>

#include "sandbox.hpp"

namespace clawql::run {
namespace {

constexpr int kCannotRun = 126;  // as shells say it
constexpr int kNotFound = 127;

void write_line(int fd, const std::string& line) {
  // A report that cannot be written has nobody who could be told.
  [[maybe_unused]] const ssize_t written = ::write(fd, line.data(), line.size());
}

// What the launcher changed, and what it may have inherited, back to what a fresh program expects.
void reset_signals() {
  for (int signal = 1; signal < NSIG; ++signal) static_cast<void>(std::signal(signal, SIG_DFL));
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

[[noreturn]] void give_up(const char* what, int error, int status) {
  report_failure(what, error);
  ::_exit(status);
}

[[noreturn]] void become_server(const Arguments& arguments, int launcher) {
  ::setsid();
  // Direct child of the launcher: gone with it even when the launcher is killed. (In a PID namespace the launcher is
  // init, and all go with it.)
  ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  if (::getppid() != launcher) ::_exit(kCannotRun);
  reset_signals();
  ::syscall(SYS_close_range, kLifeFd, ~0U, CLOSE_RANGE_CLOEXEC);

  const SandboxOutcome sandbox = enter_sandbox(arguments);
  if (sandbox.error != 0) give_up(sandbox.failed, sandbox.error, kCannotRun);
  if (*sandbox.missing != '\0') {
    if (arguments.require_sandbox) give_up(sandbox.missing, EOPNOTSUPP, kCannotRun);
    write_line(STDERR_FILENO,
               std::string("clawql-run: this kernel has no ") + sandbox.missing + "; going on without\n");
  }
  ::execvp(arguments.command[0], arguments.command);
  give_up(arguments.command[0], errno, errno == ENOENT ? kNotFound : kCannotRun);
}

}  // namespace

void report_failure(const char* what, int error) {
  const bool has_report = ::fcntl(kReportFd, F_GETFD) >= 0;
  write_line(has_report ? kReportFd : STDERR_FILENO, std::string(what) + ": " + ::strerror(error) + "\n");
}

int launch(const Arguments& arguments) {
  const int launcher = ::getpid();
  const int child = ::fork();
  if (child == 0) become_server(arguments, launcher);
  return child;
}

}  // namespace clawql::run
