#include "server_filter.hpp"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace clawql::run {
namespace {

#if defined(__x86_64__)
constexpr std::uint32_t kArchitecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr std::uint32_t kArchitecture = AUDIT_ARCH_AARCH64;
#else
#error "write down the audit architecture of this machine"
#endif
constexpr std::uint32_t kX32Bit = 0x4000'0000;  // calls of the x32 ABI; no number of another architecture has it

constexpr std::uint32_t kAllow = SECCOMP_RET_ALLOW;
constexpr std::uint32_t kDeny = SECCOMP_RET_ERRNO | EPERM;
constexpr std::uint32_t kNotThere = SECCOMP_RET_ERRNO | ENOSYS;

constexpr long kDenied[] = {
    // other processes
    SYS_ptrace,
    SYS_process_vm_readv,
    SYS_process_vm_writev,
    SYS_process_madvise,
    SYS_pidfd_getfd,
    SYS_kcmp,
    // ways round this filter, and wide ways into the kernel
    SYS_io_uring_setup,
    SYS_io_uring_enter,
    SYS_io_uring_register,
    SYS_bpf,
    SYS_perf_event_open,
    SYS_userfaultfd,
    SYS_init_module,
    SYS_finit_module,
    SYS_delete_module,
    SYS_kexec_load,
    SYS_add_key,
    SYS_request_key,
    SYS_keyctl,
    // mounts and namespaces
    SYS_mount,
    SYS_umount2,
    SYS_pivot_root,
    SYS_chroot,
    SYS_move_mount,
    SYS_open_tree,
    SYS_fsopen,
    SYS_fsconfig,
    SYS_fsmount,
    SYS_fspick,
    SYS_mount_setattr,
    SYS_unshare,
    SYS_setns,
    SYS_open_by_handle_at,
    SYS_swapon,
    SYS_swapoff,
    // the machine
    SYS_reboot,
    SYS_acct,
    SYS_settimeofday,
    SYS_clock_settime,
    SYS_adjtimex,
    SYS_clock_adjtime,
    SYS_sethostname,
    SYS_setdomainname,
    SYS_quotactl,
    SYS_syslog,
#ifdef SYS_kexec_file_load
    SYS_kexec_file_load,
#endif
#ifdef SYS_iopl
    SYS_iopl,
    SYS_ioperm,
#endif
};
constexpr std::uint32_t kNamespaceFlags =
    CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;
constexpr std::uint32_t kSocketTypeMask = 0xf;  // the rest of the argument is SOCK_CLOEXEC and SOCK_NONBLOCK

using Program = std::vector<sock_filter>;

void load(Program& program, std::size_t offset) {
  program.push_back(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>(offset)));
}
// The kernel reads these arguments as 32-bit numbers; both machines are little-endian, so the low half comes first.
void load_argument(Program& program, unsigned number) {
  load(program, offsetof(seccomp_data, args) + number * sizeof(std::uint64_t));
}
void answer(Program& program, std::uint32_t action) {
  program.push_back(BPF_STMT(BPF_RET | BPF_K, action));
}
// if (accumulator <test> value) answer action
void answer_if(Program& program, std::uint16_t test, std::uint32_t value, std::uint32_t action) {
  program.push_back(BPF_JUMP(static_cast<std::uint16_t>(BPF_JMP | test | BPF_K), value, 0, 1));
  answer(program, action);
}
// if (accumulator == value) run `body`, which answers in every case
void for_value(Program& program, long value, const Program& body) {
  program.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<std::uint32_t>(value), 0,
                             static_cast<std::uint8_t>(body.size())));
  program.insert(program.end(), body.begin(), body.end());
}

// The types of an internet socket: no raw ones.
Program judge_internet_socket() {
  Program body;
  load_argument(body, 1);
  body.push_back(BPF_STMT(BPF_ALU | BPF_AND | BPF_K, kSocketTypeMask));
  answer_if(body, BPF_JEQ, SOCK_RAW, kDeny);
  answer_if(body, BPF_JEQ, SOCK_PACKET, kDeny);
  answer(body, kAllow);
  return body;
}

// Internet and netlink (for getifaddrs; its sockets are of type raw by name only), every other family is refused.
Program judge_socket(bool may_use_unix) {
  const Program internet = judge_internet_socket();
  Program body;
  load_argument(body, 0);
  answer_if(body, BPF_JEQ, AF_NETLINK, kAllow);
  if (may_use_unix) answer_if(body, BPF_JEQ, AF_UNIX, kAllow);
  for_value(body, AF_INET, internet);
  for_value(body, AF_INET6, internet);
  answer(body, kDeny);
  return body;
}

Program judge_clone() {
  Program body;
  load_argument(body, 0);
  answer_if(body, BPF_JSET, kNamespaceFlags, kDeny);
  answer(body, kAllow);
  return body;
}

Program judge_ioctl() {
  Program body;
  load_argument(body, 1);
  answer_if(body, BPF_JEQ, TIOCSTI, kDeny);
  answer_if(body, BPF_JEQ, TIOCLINUX, kDeny);
  answer(body, kAllow);
  return body;
}

Program make_program(bool may_listen, bool may_use_unix) {
  Program program;
  load(program, offsetof(seccomp_data, arch));
  program.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kArchitecture, 1, 0));
  answer(program, kDeny);
  load(program, offsetof(seccomp_data, nr));
  answer_if(program, BPF_JGE, kX32Bit, kDeny);
  for (const long number : kDenied) answer_if(program, BPF_JEQ, static_cast<std::uint32_t>(number), kDeny);
  if (!may_listen) answer_if(program, BPF_JEQ, SYS_listen, kDeny);
  // Its flags lie in memory, where a filter cannot see them; libc falls back to clone.
  answer_if(program, BPF_JEQ, SYS_clone3, kNotThere);
  for_value(program, SYS_socket, judge_socket(may_use_unix));
  for_value(program, SYS_clone, judge_clone());
  for_value(program, SYS_ioctl, judge_ioctl());
  answer(program, kAllow);
  return program;
}

}  // namespace

int install_server_filter(bool may_listen, bool may_use_unix) {
  Program program = make_program(may_listen, may_use_unix);
  const sock_fprog filter{static_cast<unsigned short>(program.size()), program.data()};
  return ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter) == 0 ? 0 : errno;
}

}  // namespace clawql::run
