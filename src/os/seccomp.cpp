#include "os/seccomp.hpp"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>

namespace clawql::os {
namespace {

struct ReleaseFilter {
  void operator()(void* filter) const { seccomp_release(filter); }
};
using Filter = std::unique_ptr<void, ReleaseFilter>;

// Calls that may be made with any arguments. A name that this architecture does not have is left out.
constexpr auto kPlain = std::to_array<const char*>({
    // bytes in and out of what is open; `write` alone, no pwrite: a file opened for appending stays that way
    "read",
    "readv",
    "pread64",
    "lseek",
    "write",
    "writev",
    "recvfrom",
    "recvmsg",
    "sendto",
    "sendmsg",
    "shutdown",
    "close",
    // facts about what is open
    "fstat",
    "getsockname",
    "getpeername",
    "getsockopt",
    // waiting
    "epoll_create1",
    "epoll_ctl",
    "epoll_wait",
    "epoll_pwait",
    "poll",
    "ppoll",
    "eventfd2",
    "clock_gettime",
    "clock_getres",
    "clock_nanosleep",
    "nanosleep",
    "gettimeofday",
    "time",
    "restart_syscall",
    // memory; mmap and mprotect have rules of their own
    "brk",
    "munmap",
    "mremap",
    "madvise",
    "mlock",
    "mlock2",
    "munlock",
    // threads and signals of this process
    "futex",
    "futex_time64",
    "set_robust_list",
    "rseq",
    "set_tid_address",
    "sched_yield",
    "sched_getaffinity",
    "getcpu",
    "gettid",
    "getpid",
    "getppid",
    "rt_sigaction",
    "rt_sigprocmask",
    "rt_sigreturn",
    "sigaltstack",
    "membarrier",
    "exit",
    "exit_group",
    // facts about this process and the machine
    "getuid",
    "geteuid",
    "getgid",
    "getegid",
    "getrusage",
    "sysinfo",
    "getrandom",
    "uname",
});
constexpr auto kDoorOnly = std::to_array<const char*>({"accept", "accept4"});
constexpr auto kEngineOnly = std::to_array<const char*>({"fsync", "fdatasync"});

struct Refusal {
  const char* name;
  int error;
};
// Tried by libraries, which go on without them: glibc opens /proc/sys/vm/overcommit_memory and
// /sys/devices/system/cpu/online when threads free memory or make arenas; it falls back to clone where there is no
// clone3, whose flags a filter cannot see.
constexpr auto kRefused = std::to_array<Refusal>({
    {"open", EACCES},
    {"openat", EACCES},
    {"openat2", EACCES},
    {"clone3", ENOSYS},
});

constexpr std::uint64_t kThreadFlags = CLONE_THREAD | CLONE_VM | CLONE_SIGHAND | CLONE_FS | CLONE_FILES;
constexpr std::uint64_t kNeverFlags = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |
                                      CLONE_NEWPID | CLONE_NEWNET | CLONE_PTRACE | CLONE_VFORK | CLONE_PARENT;

constexpr auto kSocketOptions = std::to_array<int>({SO_KEEPALIVE, SO_LINGER, SO_SNDBUF, SO_RCVBUF, SO_REUSEADDR,
                                                    SO_PASSCRED, SO_RCVLOWAT, SO_RCVTIMEO, SO_SNDTIMEO, SO_PRIORITY});
constexpr auto kTcpOptions = std::to_array<int>({TCP_NODELAY, TCP_CORK, TCP_QUICKACK, TCP_KEEPIDLE, TCP_KEEPINTVL,
                                                 TCP_KEEPCNT, TCP_USER_TIMEOUT, TCP_NOTSENT_LOWAT, TCP_DEFER_ACCEPT});

class Builder {
 public:
  explicit Builder(scmp_filter_ctx filter) : filter_(filter) {}

  void add(std::uint32_t action, const char* name, std::initializer_list<scmp_arg_cmp> conditions = {}) {
    if (failure_) return;
    const int number = seccomp_syscall_resolve_name(name);
    if (number < 0) return;  // pseudo number or none: the architecture has no such call
    const int result = seccomp_rule_add_array(filter_, action, number, static_cast<unsigned>(conditions.size()),
                                              conditions.size() == 0 ? nullptr : conditions.begin());
    if (result != 0) failure_ = Error::system(std::string("seccomp rule for ") + name, -result);
  }
  void allow(const char* name, std::initializer_list<scmp_arg_cmp> conditions = {}) {
    add(SCMP_ACT_ALLOW, name, conditions);
  }
  void allow_all(std::span<const char* const> names) {
    for (const char* name : names) allow(name);
  }
  Status finish() const { return failure_ ? Status(std::unexpected(*failure_)) : Status(); }

 private:
  scmp_filter_ctx filter_;
  std::optional<Error> failure_;
};

// Upper halves of 32-bit arguments are compared too: whoever sets them is not glibc.
scmp_arg_cmp equals(unsigned argument, std::uint64_t value) {
  return {argument, SCMP_CMP_EQ, value, 0};
}
scmp_arg_cmp masked(unsigned argument, std::uint64_t mask, std::uint64_t value) {
  return {argument, SCMP_CMP_MASKED_EQ, mask, value};
}

void add_calls_with_conditions(Builder& builder) {
  // Memory is never executable.
  builder.allow("mmap", {masked(2, PROT_EXEC, 0)});
  builder.allow("mprotect", {masked(2, PROT_EXEC, 0)});
  // Threads, never processes.
  builder.allow("clone", {masked(0, kThreadFlags | kNeverFlags, kThreadFlags)});
  // abort() and raise(): signals to ourselves.
  builder.allow("tgkill", {equals(0, static_cast<std::uint64_t>(::getpid()))});
  // fstat as glibc calls it.
  builder.allow("newfstatat", {equals(3, AT_EMPTY_PATH)});
  builder.allow("prlimit64", {equals(0, 0), equals(2, 0)});  // read our own
  builder.allow("prctl", {equals(0, PR_SET_NAME)});
  // Non-blocking is set by FIONBIO: F_SETFL could take O_APPEND from the audit file.
  builder.allow("ioctl", {equals(1, FIONBIO)});
  builder.allow("ioctl", {equals(1, FIONREAD)});
  builder.add(SCMP_ACT_ERRNO(ENOTTY), "ioctl", {equals(1, TCGETS)});
  for (const int command : {F_GETFL, F_GETFD, F_SETFD, F_DUPFD_CLOEXEC, F_GET_SEALS}) {
    builder.allow("fcntl", {equals(1, static_cast<std::uint64_t>(command))});
  }
  builder.add(SCMP_ACT_ERRNO(EPERM), "fcntl", {equals(1, F_SETFL)});
  for (const char* name : {"ftruncate", "fallocate", "pwrite64"}) builder.add(SCMP_ACT_ERRNO(EPERM), name);
  for (const int option : kSocketOptions) {
    builder.allow("setsockopt", {equals(1, SOL_SOCKET), equals(2, static_cast<std::uint64_t>(option))});
  }
  for (const int option : kTcpOptions) {
    builder.allow("setsockopt", {equals(1, IPPROTO_TCP), equals(2, static_cast<std::uint64_t>(option))});
  }
}

// Raw return codes, so that "this kernel has none" can be told from "our mistake".
Status set_attributes(scmp_filter_ctx filter) {
  const auto attributes = std::to_array<std::pair<scmp_filter_attr, std::uint32_t>>({
      {SCMP_FLTATR_API_SYSRAWRC, 1},
      {SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS},  // x32 and 32-bit calls
      {SCMP_FLTATR_CTL_TSYNC, 1},
      {SCMP_FLTATR_CTL_NNP, 1},
      {SCMP_FLTATR_CTL_OPTIMIZE, 2},  // a binary tree; what is always allowed the kernel remembers in a bitmap
  });
  for (const auto& [attribute, value] : attributes) {
    if (const int result = seccomp_attr_set(filter, attribute, value); result != 0) {
      return fail_system("seccomp attribute", -result);
    }
  }
  return {};
}

}  // namespace

Status install_allow_list(Role role) {
  const Filter filter(seccomp_init(SCMP_ACT_KILL_PROCESS));
  if (!filter) return fail("libseccomp does not know this architecture");
  CLAWQL_CHECKED(set_attributes(filter.get()));

  Builder builder(filter.get());
  builder.allow_all(kPlain);
  switch (role) {
    case Role::door: builder.allow_all(kDoorOnly); break;
    case Role::engine: builder.allow_all(kEngineOnly); break;
  }
  for (const Refusal& refusal : kRefused) {
    builder.add(SCMP_ACT_ERRNO(static_cast<std::uint16_t>(refusal.error)), refusal.name);
  }
  add_calls_with_conditions(builder);
  CLAWQL_CHECKED(builder.finish());
  if (const int result = seccomp_load(filter.get()); result != 0) return fail_system("seccomp", -result);
  return {};
}

}  // namespace clawql::os
