#include "os/spawn.hpp"

#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>

namespace clawql::os {
namespace {

enum class Step : int { descriptors, session, file_limit, groups, gid, uid, directory, parent, exec };
constexpr std::array<const char*, 9> kStepNames{
    "arrange descriptors", "setsid", "raise the file limit", "setgroups", "setresgid",
    "setresuid",           "chdir",  "keep the parent",      "exec"};

struct Failure {
  int step;
  int error;
};

// Everything below runs in the child between fork and exec: system calls alone, no allocation.
struct Plan {
  const char* program;
  char* const* arguments;
  char* const* environment;
  const char* directory;
  int* sources;  // overwritten
  int count;
  const SpawnRequest* request;
  pid_t parent;
  int report;
};

[[noreturn]] void give_up(int report, Step step) {
  const Failure failure{static_cast<int>(step), errno};
  [[maybe_unused]] const ssize_t ignored = ::write(report, &failure, sizeof failure);
  ::_exit(127);
}

// Moves every source above the targets first, so that no dup2 overwrites one that is still needed.
void arrange_descriptors(Plan& plan) {
  const int above = plan.count + 1;
  for (int i = 0; i < plan.count; ++i) {
    int source = plan.sources[i];
    if (source < 0) source = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    plan.sources[i] = source < 0 ? -1 : ::fcntl(source, F_DUPFD_CLOEXEC, above);
    if (plan.sources[i] < 0) give_up(plan.report, Step::descriptors);
  }
  const int report = ::fcntl(plan.report, F_DUPFD_CLOEXEC, above);
  if (report < 0) give_up(plan.report, Step::descriptors);
  for (int i = 0; i < plan.count; ++i) {
    if (::dup2(plan.sources[i], i) < 0) give_up(report, Step::descriptors);
  }
  // The report pipe sits right above and goes at exec; everything else goes now.
  if (::dup3(report, plan.count, O_CLOEXEC) < 0) give_up(report, Step::descriptors);
  plan.report = plan.count;
  if (::close_range(static_cast<unsigned>(plan.count) + 1, ~0U, 0) < 0) give_up(plan.report, Step::descriptors);
}

void default_signals() {
  struct sigaction action{};
  action.sa_handler = SIG_DFL;
  for (int number = 1; number < _NSIG; ++number) ::sigaction(number, &action, nullptr);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

// The raw calls: glibc's wrappers signal other threads, which a forked child does not have.
void become(const Identity& identity, int report) {
  const gid_t gid = identity.gid;
  const uid_t uid = identity.uid;
  if (::syscall(SYS_setgroups, identity.groups.size(), identity.groups.data()) < 0) give_up(report, Step::groups);
  if (::syscall(SYS_setresgid, gid, gid, gid) < 0) give_up(report, Step::gid);
  if (::syscall(SYS_setresuid, uid, uid, uid) < 0) give_up(report, Step::uid);
}

[[noreturn]] void run_child(Plan& plan) {
  const SpawnRequest& request = *plan.request;
  arrange_descriptors(plan);
  if (::setsid() < 0) give_up(plan.report, Step::session);
  if (request.raise_file_limit) {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) < 0) give_up(plan.report, Step::file_limit);
    limit.rlim_cur = limit.rlim_max;
    if (::setrlimit(RLIMIT_NOFILE, &limit) < 0) give_up(plan.report, Step::file_limit);
  }
  ::umask(request.umask);
  if (request.identity) become(*request.identity, plan.report);
  if (::chdir(plan.directory) < 0) give_up(plan.report, Step::directory);
  // After setresuid, which clears it. A parent that died before this line is seen by getppid.
  if (::prctl(PR_SET_PDEATHSIG, request.parent_death_signal, 0, 0, 0) < 0) give_up(plan.report, Step::parent);
  if (::syscall(SYS_getppid) != plan.parent) ::_exit(127);
  default_signals();
  ::execve(plan.program, plan.arguments, plan.environment);
  give_up(plan.report, Step::exec);
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> result;
  result.reserve(texts.size() + 1);
  for (std::string& text : texts) result.push_back(text.data());
  result.push_back(nullptr);
  return result;
}

// nullopt: the program was started (the pipe closed at exec).
std::optional<Failure> read_failure(int fd) {
  Failure failure{};
  ssize_t got = 0;
  do {
    got = ::read(fd, &failure, sizeof failure);
  } while (got < 0 && errno == EINTR);
  if (got == static_cast<ssize_t>(sizeof failure)) return failure;
  return std::nullopt;
}

}  // namespace

Result<Child> SystemSpawner::spawn(const SpawnRequest& request) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) < 0) return fail_system("pipe2");
  const Fd reader(ends[0]);
  Fd writer(ends[1]);

  std::vector<std::string> arguments = request.arguments;
  std::vector<std::string> environment = request.environment;
  const std::vector<char*> argument_pointers = pointers(arguments);
  const std::vector<char*> environment_pointers = pointers(environment);
  std::vector<int> sources = request.fds;
  Plan plan{request.program.c_str(),
            argument_pointers.data(),
            environment_pointers.data(),
            request.working_directory.empty() ? "/" : request.working_directory.c_str(),
            sources.data(),
            static_cast<int>(sources.size()),
            &request,
            static_cast<pid_t>(::syscall(SYS_getpid)),
            writer.get()};

  // clone(2) as fork that also hands out a pidfd. The third argument is the pidfd's place on x86-64 and arm64 alike.
  int pidfd = -1;
  const long pid = ::syscall(SYS_clone, CLONE_PIDFD | SIGCHLD, nullptr, &pidfd, nullptr, nullptr);
  if (pid < 0) return fail_system("clone");
  if (pid == 0) run_child(plan);

  Child child{static_cast<pid_t>(pid), Fd(pidfd)};
  writer.reset();
  if (const auto failure = read_failure(reader.get())) {
    int status = 0;
    while (::waitpid(child.pid, &status, 0) < 0 && errno == EINTR) {
    }
    const auto step = static_cast<std::size_t>(failure->step);
    return fail_system(std::string(step < kStepNames.size() ? kStepNames[step] : "start") + " " + request.program,
                       failure->error);
  }
  return child;
}

}  // namespace clawql::os
