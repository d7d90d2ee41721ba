// What a taken program would try. The numbers and flags are written out where Debian 12's headers lack them.
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstring>

#include "act.hpp"

namespace clawql::lockdown {
namespace {

template <class T>
int outcome(T result) {
  return result == T(-1) ? errno : 0;
}
int mapped(const void* memory) {
  return memory == MAP_FAILED ? errno : 0;
}
int opened(int fd) {
  if (fd < 0) return errno;
  ::close(fd);
  return 0;
}
// A process that came to be ends at once; its parent reports.
int forked(long pid) {
  if (pid == 0) ::_exit(0);
  if (pid < 0) return errno;
  ::waitpid(static_cast<pid_t>(pid), nullptr, 0);
  return 0;
}
int ask_outsider(const Prepared& p, char what) {
  int answer = -1;
  if (::write(p.outsider_line, &what, 1) != 1 || ::read(p.outsider_line, &answer, sizeof answer) != sizeof answer) {
    return EPIPE;
  }
  return answer;
}
int connect_to_abstract(const Prepared& p) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path + 1, p.abstract.data(), p.abstract.size());
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + p.abstract.size());
  return outcome(::connect(p.unix_socket, reinterpret_cast<sockaddr*>(&address), size));
}
sockaddr_in loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}
int bind_tcp(const Prepared& p) {
  const sockaddr_in address = loopback(0);
  return outcome(::bind(p.unbound, reinterpret_cast<const sockaddr*>(&address), sizeof address));
}
int connect_tcp(const Prepared& p) {
  const sockaddr_in address = loopback(p.port);
  return outcome(::connect(p.unbound, reinterpret_cast<const sockaddr*>(&address), sizeof address));
}
char* const kNoWords[] = {nullptr};
int exec_in_child(int fd, const char* path) {
  // In a baseline it works, and then the parent learns it by the exit status.
  ::execveat(fd, path, kNoWords, kNoWords, *path == '\0' ? AT_EMPTY_PATH : 0);
  return errno;
}
int read_victim(const Prepared& p) {
  char byte = 0;
  iovec local{&byte, 1};
  iovec remote{const_cast<char*>(p.folder.data()), 1};  // the same address in the victim, which was forked from us
  return outcome(::process_vm_readv(p.victim, &local, 1, &remote, 1, 0));
}
int trace_victim(const Prepared& p) {
  return outcome(::ptrace(PTRACE_SEIZE, p.victim, nullptr, nullptr));
}
int start_by_vfork(const Prepared&) {
  const pid_t child = ::vfork();  // NOLINT(bugprone-unsafe-functions): whether it can be called is what is tried
  if (child == 0) ::_exit(0);
  return forked(child);
}
int make_executable(const Prepared&) {
  void* memory = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return outcome(::mprotect(memory, 4096, PROT_READ | PROT_EXEC));
}
int strip_append(const Prepared& p) {
  return outcome(::fcntl(p.log, F_SETFL, 0));
}
int write_without_append(const Prepared& p) {
  constexpr int kNoAppend = 0x20;  // RWF_NOAPPEND, Linux 6.9
  char byte = 'X';
  iovec piece{&byte, 1};
  return outcome(::syscall(SYS_pwritev2, p.log, &piece, 1, 0, 0, kNoAppend));
}
int create_bpf_map(const Prepared&) {
  bpf_attr attributes{};
  attributes.map_type = BPF_MAP_TYPE_ARRAY;
  attributes.key_size = 4;
  attributes.value_size = 4;
  attributes.max_entries = 1;
  return outcome(::syscall(SYS_bpf, BPF_MAP_CREATE, &attributes, sizeof attributes));
}
int set_up_ring(const Prepared&) {
  std::array<char, 512> parameters{};
  return outcome(::syscall(SYS_io_uring_setup, 1, parameters.data()));
}
int count_cycles(const Prepared&) {
  perf_event_attr attributes{};
  attributes.type = PERF_TYPE_SOFTWARE;
  attributes.size = sizeof attributes;
  attributes.config = PERF_COUNT_SW_CPU_CLOCK;
  return outcome(::syscall(SYS_perf_event_open, &attributes, 0, -1, -1, 0));
}
int allow_cores(const Prepared&) {
  const rlimit limit{4096, 4096};
  return outcome(::setrlimit(RLIMIT_CORE, &limit));
}
int has_core_limit(const Prepared&) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_CORE, &limit) != 0) return errno;
  return limit.rlim_max == 0 ? EPERM : 0;
}
int attach_filter(const Prepared& p) {
  std::array<char, 16> program{};
  return outcome(::setsockopt(p.pair[0], SOL_SOCKET, SO_ATTACH_FILTER, program.data(), program.size()));
}
int open_beneath(const Prepared&) {
  std::array<std::uint64_t, 3> how{O_RDONLY, 0, 0};
  return opened(static_cast<int>(::syscall(SYS_openat2, AT_FDCWD, "/etc/passwd", how.data(), sizeof how)));
}
#ifdef __x86_64__
int call_x32(const Prepared&) {
  return outcome(::syscall(0x4000'0000 + SYS_getpid));
}
int call_32_bit(const Prepared&) {
  long result = 20;  // getpid of i386
  asm volatile("int $0x80" : "+a"(result)::"memory", "r8", "r9", "r10", "r11");
  return result < 0 ? static_cast<int>(-result) : 0;
}
#endif

constexpr Act kActs[] = {
    {"open to read", [](const Prepared&) { return opened(::open("/etc/passwd", O_RDONLY)); }},
    {"open to write", [](const Prepared& p) { return opened(::open((p.folder + "/file").c_str(), O_WRONLY)); }},
    {"open to create",
     [](const Prepared& p) { return opened(::open((p.folder + "/new").c_str(), O_RDWR | O_CREAT, 0600)); }},
    {"open a folder", [](const Prepared&) { return opened(::open("/etc", O_RDONLY | O_DIRECTORY)); }},
    {"openat2", open_beneath},
    {"open own memory", [](const Prepared&) { return opened(::open("/proc/self/mem", O_RDWR)); }},
    {"open a stranger's file",
     [](const Prepared& p) { return opened(::open((p.folder + "/private").c_str(), O_RDONLY)); }},
    {"make a folder", [](const Prepared& p) { return outcome(::mkdir((p.folder + "/new-folder").c_str(), 0700)); }},
    {"rename",
     [](const Prepared& p) { return outcome(::rename((p.folder + "/private").c_str(), (p.folder + "/new").c_str())); }},
    {"chown", [](const Prepared& p) { return outcome(::chown((p.folder + "/file").c_str(), 1, 1)); }},
    {"unlink", [](const Prepared& p) { return outcome(::unlink((p.folder + "/file").c_str())); }},
    {"truncate by path", [](const Prepared& p) { return outcome(::truncate((p.folder + "/log").c_str(), 0)); }},
    {"stat",
     [](const Prepared&) {
       struct stat s;
       return outcome(::stat("/etc/passwd", &s));
     }},
    {"chroot", [](const Prepared& p) { return outcome(::chroot(p.folder.c_str())); }},
    {"use a forgotten descriptor",
     [](const Prepared& p) {
       char c;
       return outcome(::read(p.forgotten, &c, 1));
     }},

    {"socket inet", [](const Prepared&) { return opened(::socket(AF_INET, SOCK_STREAM, 0)); }},
    {"socket inet6", [](const Prepared&) { return opened(::socket(AF_INET6, SOCK_DGRAM, 0)); }},
    {"socket unix", [](const Prepared&) { return opened(::socket(AF_UNIX, SOCK_STREAM, 0)); }},
    {"socket netlink", [](const Prepared&) { return opened(::socket(AF_NETLINK, SOCK_RAW, 0)); }},
    {"socket packet", [](const Prepared&) { return opened(::socket(AF_PACKET, SOCK_RAW, 0)); }},
    {"socketpair",
     [](const Prepared&) {
       int e[2];
       return outcome(::socketpair(AF_UNIX, SOCK_STREAM, 0, e));
     }},
    {"bind", bind_tcp},
    {"listen without bind", [](const Prepared& p) { return outcome(::listen(p.unbound, 1)); }},
    {"connect", connect_tcp},
    {"connect to an abstract socket", connect_to_abstract},
    {"attach a socket filter", attach_filter},

    {"execve", [](const Prepared&) { return exec_in_child(AT_FDCWD, "/bin/true"); }},
    {"exec a memfd", [](const Prepared& p) { return exec_in_child(p.program, ""); }},
    {"memfd_create", [](const Prepared&) { return opened(::memfd_create("x", 0)); }},
    {"fork", [](const Prepared&) { return forked(::syscall(SYS_clone, SIGCHLD, nullptr, nullptr, nullptr, nullptr)); }},
    {"clone3",
     [](const Prepared&) {
       std::array<std::uint64_t, 8> how{0, 0, 0, 0, SIGCHLD, 0, 0, 0};
       return forked(::syscall(SYS_clone3, how.data(), sizeof how));
     }},
    {"unshare", [](const Prepared&) { return outcome(::unshare(CLONE_NEWUTS)); }},
    {"setns", [](const Prepared& p) { return outcome(::setns(p.network, 0)); }},
    {"mount",
     [](const Prepared& p) {
       const int r = outcome(::mount("none", p.folder.c_str(), "tmpfs", 0, nullptr));
       if (r == 0) ::umount(p.folder.c_str());
       return r;
     },
     false, true},
    {"setuid", [](const Prepared&) { return outcome(::setuid(12345)); }},
    {"personality", [](const Prepared&) { return outcome(::syscall(SYS_personality, 0x0400000)); }},

    {"signal another process", [](const Prepared& p) { return outcome(::kill(p.victim, SIGTERM)); }},
    {"tgkill another process",
     [](const Prepared& p) { return outcome(::syscall(SYS_tgkill, p.victim, p.victim, SIGTERM)); }},
    {"trace another process", trace_victim},
    {"ask to be traced", [](const Prepared&) { return outcome(::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr)); }},
    {"read another process", read_victim},
    {"pidfd_open", [](const Prepared& p) { return opened(static_cast<int>(::syscall(SYS_pidfd_open, p.victim, 0))); }},

    {"executable memory by mmap",
     [](const Prepared&) {
       return mapped(::mmap(nullptr, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
     }},
    {"executable memory by mprotect", make_executable},

    {"strip O_APPEND", strip_append},
    {"ftruncate the log", [](const Prepared& p) { return outcome(::ftruncate(p.log, 0)); }},
    {"fallocate the log",
     [](const Prepared& p) { return outcome(::fallocate(p.log, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4)); }},
    {"pwrite the log", [](const Prepared& p) { return outcome(::pwrite(p.log, "X", 1, 0)); }},
    {"write the log without append", write_without_append},
    {"sendfile to the log",
     [](const Prepared& p) {
       off_t at = 0;
       return outcome(::sendfile(p.pair[0], p.source, &at, 1));
     }},
    {"fchmod the log", [](const Prepared& p) { return outcome(::fchmod(p.log, 0666)); }},
    {"type into a terminal",
     [](const Prepared& p) {
       char c = 'x';
       return outcome(::ioctl(p.terminal, TIOCSTI, &c));
     }},

    {"timerfd_create", [](const Prepared&) { return opened(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC)); }},
    {"io_uring_setup", set_up_ring},
    {"bpf", create_bpf_map},
    {"perf_event_open", count_cycles},
    {"userfaultfd", [](const Prepared&) { return opened(static_cast<int>(::syscall(SYS_userfaultfd, 0))); }},
    {"keyctl", [](const Prepared&) { return outcome(::syscall(SYS_keyctl, 0, -3, 0)); }},
    {"become dumpable", [](const Prepared&) { return outcome(::prctl(PR_SET_DUMPABLE, 1)); }},
    {"allow core files", allow_cores},
    {"write core files", has_core_limit},
    {"another seccomp filter", [](const Prepared&) { return outcome(::syscall(SYS_seccomp, 1, 0, nullptr)); }},
    {"another Landlock ruleset", [](const Prepared&) { return outcome(::syscall(444, nullptr, 0, 1)); }},
#ifdef __x86_64__
    {"vfork", start_by_vfork},
    {"call of the x32 ABI", call_x32},
    {"call of the 32-bit ABI", call_32_bit},
#endif

    {"be read by the same user", [](const Prepared& p) { return ask_outsider(p, 'm'); }, true},
    {"be traced by the same user", [](const Prepared& p) { return ask_outsider(p, 't'); }, true},
};

}  // namespace

std::span<const Act> forbidden_acts() {
  return kActs;
}

}  // namespace clawql::lockdown
