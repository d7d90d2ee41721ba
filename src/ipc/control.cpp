#include "ipc/control.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <deque>

#include "base/check.hpp"

namespace clawql::ipc {
namespace {

constexpr std::size_t kMaxControlPayload = 64U << 10;
constexpr std::size_t kMaxDescriptors = 4;
constexpr int kMessagesPerTurn = 32;

constexpr std::array<std::string_view, 21> kNames{"",
                                                  "settings",
                                                  "listener",
                                                  "close_listener",
                                                  "channel",
                                                  "audit_file",
                                                  "server_started",
                                                  "server_exited",
                                                  "admin_answer",
                                                  "start",
                                                  "drain",
                                                  "ping",
                                                  "ready",
                                                  "pong",
                                                  "drained",
                                                  "server_start",
                                                  "server_stop",
                                                  "server_restart",
                                                  "next_audit_file",
                                                  "admin",
                                                  "exposure"};

bool is_known(std::uint8_t kind) {
  return kind >= 1 && kind < kNames.size();
}

// Takes the descriptors out of a received message. All of them are owned at once, so that none leaks on an error path.
std::vector<os::Fd> take_descriptors(msghdr& message) {
  std::vector<os::Fd> fds;
  for (cmsghdr* part = CMSG_FIRSTHDR(&message); part != nullptr; part = CMSG_NXTHDR(&message, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(part) + i * sizeof(int), sizeof fd);
      fds.emplace_back(fd);
    }
  }
  return fds;
}

}  // namespace

std::string_view name(Control kind) {
  return kNames[static_cast<std::size_t>(kind)];
}

struct ControlSocket::Impl {
  Impl(os::Fd socket_, Handler& handler_) : socket(std::move(socket_)), handler(handler_) {}

  os::Fd socket;
  Handler& handler;
  std::unique_ptr<io::Watch> watch;
  std::deque<ControlMessage> waiting;
  bool closed = false;
  std::shared_ptr<bool> alive = std::make_shared<bool>(true);
  std::vector<char> room = std::vector<char>(kMaxControlPayload + 1);

  enum class Sent : std::uint8_t { yes, later, failed };
  Sent try_send(const ControlMessage& what) const;
  Result<bool> receive(ControlMessage& into);  // false: nothing there now
  void flush();
  void close(Error error);
};

ControlSocket::ControlSocket(io::Loop& loop, os::Fd socket, Handler& handler)
    : impl_(std::make_unique<Impl>(std::move(socket), handler)) {
  int on = 1;
  ::ioctl(impl_->socket.get(), FIONBIO, &on);
  impl_->watch = loop.watch(impl_->socket.get(), *this);
  impl_->watch->want_read();
}

ControlSocket::~ControlSocket() {
  *impl_->alive = false;
}

void ControlSocket::send(Control kind, std::string payload, std::vector<os::Fd> fds) {
  CLAWQL_CHECK(payload.size() <= kMaxControlPayload && fds.size() <= kMaxDescriptors);
  if (impl_->closed) return;
  impl_->waiting.push_back({kind, std::move(payload), std::move(fds)});
  impl_->flush();
}

ControlSocket::Impl::Sent ControlSocket::Impl::try_send(const ControlMessage& what) const {
  char kind = static_cast<char>(what.kind);
  std::array<iovec, 2> parts{iovec{&kind, 1}, iovec{const_cast<char*>(what.payload.data()), what.payload.size()}};
  msghdr message{};
  message.msg_iov = parts.data();
  message.msg_iovlen = parts.size();
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int) * kMaxDescriptors)> control{};
  if (!what.fds.empty()) {
    message.msg_control = control.data();
    message.msg_controllen = CMSG_SPACE(sizeof(int) * what.fds.size());
    cmsghdr* rights = CMSG_FIRSTHDR(&message);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof(int) * what.fds.size());
    for (std::size_t i = 0; i < what.fds.size(); ++i) {
      const int fd = what.fds[i].get();
      std::memcpy(CMSG_DATA(rights) + i * sizeof(int), &fd, sizeof fd);
    }
  }
  for (;;) {
    if (::sendmsg(socket.get(), &message, MSG_NOSIGNAL) >= 0) return Sent::yes;
    if (errno == EINTR) continue;
    return errno == EAGAIN || errno == EWOULDBLOCK ? Sent::later : Sent::failed;
  }
}

void ControlSocket::Impl::flush() {
  while (!waiting.empty()) {
    switch (try_send(waiting.front())) {
      case Sent::yes: waiting.pop_front(); break;
      case Sent::later: watch->want_write(); return;
      case Sent::failed: waiting.clear(); return;  // reading reports the end
    }
  }
}

Result<bool> ControlSocket::Impl::receive(ControlMessage& into) {
  iovec part{room.data(), room.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int) * kMaxDescriptors)> control{};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  const ssize_t size = ::recvmsg(socket.get(), &message, MSG_CMSG_CLOEXEC);
  if (size < 0) {
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) return false;
    return fail_system("control socket");
  }
  into.fds = take_descriptors(message);
  if (size == 0) return fail("the other side has closed the control socket");
  if ((message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) return fail("a control message is too large");
  if (!is_known(static_cast<std::uint8_t>(room[0]))) return fail("an unknown control message");
  into.kind = static_cast<Control>(room[0]);
  into.payload.assign(room.data() + 1, static_cast<std::size_t>(size) - 1);
  return true;
}

void ControlSocket::Impl::close(Error error) {
  closed = true;
  waiting.clear();
  watch.reset();
  socket.reset();
  handler.on_closed(std::move(error));
}

void ControlSocket::on_readable() {
  const auto alive = impl_->alive;
  for (int i = 0; i < kMessagesPerTurn; ++i) {
    ControlMessage message;
    const Result<bool> got = impl_->receive(message);
    if (!got) return impl_->close(got.error());
    if (!*got) break;
    impl_->handler.on_message(std::move(message));
    if (!*alive || impl_->closed) return;
  }
  impl_->watch->want_read();
}

void ControlSocket::on_writable() {
  impl_->flush();
}

namespace {
Result<std::pair<os::Fd, os::Fd>> make_pair_of(int type) {
  std::array<int, 2> fds{};
  if (::socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fds.data()) != 0) return fail_system("socketpair");
  return std::pair(os::Fd(fds[0]), os::Fd(fds[1]));
}
}  // namespace

Result<std::pair<os::Fd, os::Fd>> make_control_pair() {
  return make_pair_of(SOCK_SEQPACKET);
}
Result<std::pair<os::Fd, os::Fd>> make_channel_pair() {
  return make_pair_of(SOCK_STREAM);
}

Result<os::Fd> make_payload_fd(std::string_view text) {
  os::Fd fd(::memfd_create("clawql-settings", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd) return fail_system("memfd_create");
  for (std::size_t done = 0; done < text.size();) {
    const ssize_t size = ::write(fd.get(), text.data() + done, text.size() - done);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return fail_system("write to a memfd");
    done += static_cast<std::size_t>(size);
  }
  if (::fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) != 0)
    return fail_system("seal a memfd");
  // The reader shares this offset, and reads with read() alone.
  if (::lseek(fd.get(), 0, SEEK_SET) != 0) return fail_system("rewind a memfd");
  return fd;
}

Result<std::string> read_payload_fd(int fd, std::size_t limit) {
  std::string text;
  std::array<char, 16U << 10> room{};
  for (;;) {
    const ssize_t size = ::read(fd, room.data(), room.size());
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return fail_system("read a memfd");
    if (size == 0) return text;
    text.append(room.data(), static_cast<std::size_t>(size));
    if (text.size() > limit) return fail(fmt::format("settings are larger than {} bytes", limit));
  }
}

}  // namespace clawql::ipc
