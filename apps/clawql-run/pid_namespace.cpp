#include "pid_namespace.hpp"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

namespace clawql::run {
namespace {

// The namespace's own /proc, seen by it alone; without it pids in /proc would be those of the outside.
bool mount_own_proc() {
  return ::mount(nullptr, "/", nullptr, MS_REC | MS_SLAVE, nullptr) == 0 &&
         ::mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr) == 0;
}

}  // namespace

NamespaceOutcome enter_pid_namespace() {
  int ready[2];
  if (::pipe2(ready, O_CLOEXEC) != 0) return {};
  // As fork() does it. The raw call is right here: one thread, no handlers.
  const auto child =
      static_cast<int>(::syscall(SYS_clone, CLONE_NEWPID | CLONE_NEWNS | SIGCHLD, nullptr, nullptr, nullptr, nullptr));
  char byte = 1;
  if (child == 0) {
    ::close(ready[0]);
    ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    // Writing fails (SIGPIPE) if the outer process died before the line above: then init ends as well.
    if (!mount_own_proc() || ::write(ready[1], &byte, 1) != 1) ::_exit(1);
    ::close(ready[1]);
    return {Place::inside, -1};
  }
  ::close(ready[1]);
  const bool is_ready = child > 0 && ::read(ready[0], &byte, 1) == 1;
  ::close(ready[0]);
  if (is_ready) return {Place::outside, child};
  if (child > 0) ::waitpid(child, nullptr, 0);
  return {};
}

}  // namespace clawql::run
