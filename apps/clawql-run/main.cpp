// clawql-run stands before one stdio server: puts on its sandbox, starts it, and ends everything that came from it when
// it ends, when the supervisor goes away, or on SIGTERM. One thread, static, as small as it can be.
#include <fcntl.h>
#include <linux/close_range.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "arguments.hpp"
#include "launch.hpp"
#include "pid_namespace.hpp"
#include "watch.hpp"

namespace clawql::run {
namespace {

constexpr int kUsageStatus = 2;
constexpr int kForkFailed = 126;

bool is_open(int fd) {
  return ::fcntl(fd, F_GETFD) >= 0;
}

// 0, 1 and 2 exist, so that nothing else gets their numbers.
void fill_standard_descriptors() {
  while (true) {
    const int fd = ::open("/dev/null", O_RDWR);
    if (fd < 0) return;
    if (fd > STDERR_FILENO) {
      ::close(fd);
      return;
    }
  }
}

// The server's pipes are the server's alone: a copy here would hide its end-of-file from the engine.
void close_all_but_life_pipe() {
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO, kReportFd}) ::close(fd);
}

int run(const Arguments& arguments, bool has_life_pipe) {
  block_watched_signals();
  // The supervisor's death arrives as end-of-file of the life pipe; should that be missing, as TERM, never as a KILL
  // that would leave the server's descendants to themselves.
  ::prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0);
  ::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);

  const NamespaceOutcome place = enter_pid_namespace();
  if (place.place == Place::outside) {
    ::close(kLifeFd);  // the init watches it
    close_all_but_life_pipe();
    return watch_namespace(place.init);
  }
  const int server = launch(arguments);
  if (server < 0) {
    report_failure("fork", errno);
    return kForkFailed;
  }
  close_all_but_life_pipe();
  return watch(server, has_life_pipe);
}

}  // namespace
}  // namespace clawql::run

int main(int, char** argv) {
  using namespace clawql::run;
  fill_standard_descriptors();
  const bool has_life_pipe = is_open(kLifeFd);
  ::syscall(SYS_close_range, kReportFd + 1, ~0U, 0);
  // Neither end of these may reach the server. What is opened from here on is closed at exec and never gets their
  // numbers while they are open; while they are not, the server's own exec closes whatever has them.
  for (const int fd : {kLifeFd, kReportFd}) ::fcntl(fd, F_SETFD, FD_CLOEXEC);

  const auto arguments = parse_arguments(argv);
  if (!arguments) {
    [[maybe_unused]] const auto written = ::write(STDERR_FILENO, kUsage, sizeof kUsage - 1);
    return kUsageStatus;
  }
  return run(*arguments, has_life_pipe);
}
