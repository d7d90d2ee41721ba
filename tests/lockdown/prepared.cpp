#include <fcntl.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "act.hpp"
#include "base/check.hpp"

namespace clawql::lockdown {
namespace {

constexpr unsigned kOrdinaryUser = 65534;

void make_files(Prepared& prepared) {
  char folder[] = "/tmp/clawql-violator-XXXXXX";
  CLAWQL_CHECK(::mkdtemp(folder) != nullptr);
  prepared.folder = folder;
  prepared.source = ::open((prepared.folder + "/file").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  CLAWQL_CHECK(::write(prepared.source, "text", 4) == 4);
  const std::string other = prepared.folder + "/private";
  ::close(::open(other.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  CLAWQL_CHECK(::chown(other.c_str(), kOrdinaryUser, kOrdinaryUser) == 0);
  prepared.log = ::open((prepared.folder + "/log").c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  CLAWQL_CHECK(::write(prepared.log, "one record\n", 11) == 11);
  prepared.forgotten = ::open("/etc/passwd", O_RDONLY | O_CLOEXEC);
  prepared.network = ::open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
  prepared.terminal = ::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);

  prepared.program = ::memfd_create("program", MFD_CLOEXEC);
  const int original = ::open("/bin/true", O_RDONLY | O_CLOEXEC);
  while (::sendfile(prepared.program, original, nullptr, 1 << 20) > 0) {
  }
  ::close(original);
}

void make_listener(Prepared& prepared) {
  prepared.listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  CLAWQL_CHECK(::bind(prepared.listener, reinterpret_cast<sockaddr*>(&address), size) == 0);
  CLAWQL_CHECK(::listen(prepared.listener, 8) == 0);
  CLAWQL_CHECK(::getsockname(prepared.listener, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  prepared.port = ntohs(address.sin_port);
}

// A message with a descriptor, as the supervisor sends them.
void make_passing(Prepared& prepared) {
  int ends[2];
  CLAWQL_CHECK(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0);
  char byte = 'x';
  iovec piece{&byte, 1};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> room{};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = room.data();
  message.msg_controllen = room.size();
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  std::memcpy(CMSG_DATA(header), &prepared.source, sizeof(int));
  CLAWQL_CHECK(::sendmsg(ends[0], &message, 0) == 1);
  ::close(ends[0]);
  prepared.passing = ends[1];
}

// Waits to be signalled or traced, and listens on an abstract socket. Ends with us.
void start_victim(Prepared& prepared) {
  prepared.abstract = "clawql-violator-" + std::to_string(::getpid());
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path + 1, prepared.abstract.data(), prepared.abstract.size());
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + prepared.abstract.size());
  const int listening = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  CLAWQL_CHECK(::bind(listening, reinterpret_cast<sockaddr*>(&address), size) == 0 && ::listen(listening, 64) == 0);
  prepared.victim = ::fork();
  if (prepared.victim == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    static_cast<void>(std::signal(SIGTERM, SIG_IGN));  // it serves all acts, also one that signals it
    for (;;) ::pause();
  }
  ::close(listening);
}

int look_at_memory(pid_t target) {
  char path[64];
  static_cast<void>(std::snprintf(path, sizeof path, "/proc/%d/mem", target));
  const int fd = ::open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return errno;
  ::close(fd);
  return 0;
}

int trace(pid_t target) {
  if (::ptrace(PTRACE_SEIZE, target, nullptr, nullptr) != 0) return errno;
  return 0;
}

[[noreturn]] void serve_as_outsider(int line, pid_t target) {
  char what = 0;
  while (::read(line, &what, 1) == 1) {
    const int answer = what == 'm' ? look_at_memory(target) : trace(target);
    if (::write(line, &answer, sizeof answer) != sizeof answer) break;
  }
  ::_exit(0);
}

}  // namespace

std::vector<int> Prepared::expected() const {
  return {listener, unbound, unix_socket, pair[0],  pair[1], passing,
          log,      source,  program,     terminal, network, outsider_line};
}

Prepared prepare() {
  Prepared prepared;
  make_files(prepared);
  start_victim(prepared);
  return prepared;
}

void prepare_sockets(Prepared& prepared) {
  make_listener(prepared);
  make_passing(prepared);
  CLAWQL_CHECK(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, prepared.pair) == 0);
  prepared.unix_socket = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  prepared.unbound = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

void become_ordinary_user(Prepared& prepared) {
  CLAWQL_CHECK(::setgid(kOrdinaryUser) == 0 && ::setuid(kOrdinaryUser) == 0);
  ::prctl(PR_SET_DUMPABLE, 1);  // a program that is started as this user is; the change of user took it
  int line[2];
  CLAWQL_CHECK(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, line) == 0);
  const pid_t self = ::getpid();
  prepared.outsider = ::fork();
  if (prepared.outsider == 0) {
    ::close(line[0]);
    serve_as_outsider(line[1], self);
  }
  ::close(line[1]);
  prepared.outsider_line = line[0];
  ::prctl(PR_SET_PTRACER, prepared.outsider);  // where Yama would let no stranger trace
}

void clean_up(const Prepared& prepared) {
  ::kill(prepared.victim, SIGKILL);
  ::waitpid(prepared.victim, nullptr, 0);
  for (const char* name : {"/file", "/private", "/log", "/new", "/new-folder"}) {
    static_cast<void>(::remove((prepared.folder + name).c_str()));
  }
  ::rmdir(prepared.folder.c_str());
}

}  // namespace clawql::lockdown
