#include "os/socket.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>

namespace clawql::os {
namespace {

template <class T>
T view_as(const sockaddr_storage& storage) {
  T value{};
  std::memcpy(&value, &storage, sizeof value);
  return value;
}

}  // namespace

Result<SocketAddress> SocketAddress::ip(std::string_view address, std::uint16_t port) {
  SocketAddress result;
  const std::string text(address);
  sockaddr_in four{};
  sockaddr_in6 six{};
  if (::inet_pton(AF_INET, text.c_str(), &four.sin_addr) == 1) {
    four.sin_family = AF_INET;
    four.sin_port = htons(port);
    std::memcpy(&result.storage_, &four, sizeof four);
    result.size_ = sizeof four;
    return result;
  }
  if (::inet_pton(AF_INET6, text.c_str(), &six.sin6_addr) == 1) {
    six.sin6_family = AF_INET6;
    six.sin6_port = htons(port);
    std::memcpy(&result.storage_, &six, sizeof six);
    result.size_ = sizeof six;
    return result;
  }
  return fail(fmt::format("\"{}\" is no IP address", address));
}

Result<SocketAddress> SocketAddress::unix_path(std::string_view path) {
  sockaddr_un address{};
  if (path.empty() || path.front() != '/') return fail(fmt::format("{}: a socket path must be absolute", path));
  if (path.find('\0') != std::string_view::npos) return fail("a socket path cannot hold a NUL byte");
  if (path.size() >= sizeof address.sun_path) {
    return fail(fmt::format("{}: a socket path has at most {} bytes, this one has {}", path,
                            sizeof address.sun_path - 1, path.size()));
  }
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, path.size());
  SocketAddress result;
  std::memcpy(&result.storage_, &address, sizeof address);
  result.size_ = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + 1);
  return result;
}

Result<SocketAddress> SocketAddress::of(int fd) {
  SocketAddress result;
  result.size_ = sizeof result.storage_;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&result.storage_), &result.size_) < 0) {
    return fail_system("getsockname");
  }
  return result;
}

std::uint16_t SocketAddress::port() const {
  if (family() == AF_INET) return ntohs(view_as<sockaddr_in>(storage_).sin_port);
  if (family() == AF_INET6) return ntohs(view_as<sockaddr_in6>(storage_).sin6_port);
  return 0;
}

bool SocketAddress::is_any() const {
  if (family() == AF_INET) return view_as<sockaddr_in>(storage_).sin_addr.s_addr == htonl(INADDR_ANY);
  if (family() == AF_INET6) {
    const in6_addr address = view_as<sockaddr_in6>(storage_).sin6_addr;
    if (IN6_IS_ADDR_UNSPECIFIED(&address)) return true;
    return IN6_IS_ADDR_V4MAPPED(&address) && address.s6_addr[12] == 0 && address.s6_addr[13] == 0 &&
           address.s6_addr[14] == 0 && address.s6_addr[15] == 0;
  }
  return family() != AF_UNIX;
}

bool SocketAddress::is_loopback() const {
  if (family() == AF_INET) return (ntohl(view_as<sockaddr_in>(storage_).sin_addr.s_addr) >> 24) == 127;
  if (family() == AF_INET6) {
    const in6_addr address = view_as<sockaddr_in6>(storage_).sin6_addr;
    return IN6_IS_ADDR_LOOPBACK(&address);
  }
  return false;
}

std::string SocketAddress::text() const {
  char room[INET6_ADDRSTRLEN]{};
  if (family() == AF_INET) {
    const in_addr address = view_as<sockaddr_in>(storage_).sin_addr;
    return fmt::format("{}:{}", ::inet_ntop(AF_INET, &address, room, sizeof room), port());
  }
  if (family() == AF_INET6) {
    const in6_addr address = view_as<sockaddr_in6>(storage_).sin6_addr;
    return fmt::format("[{}]:{}", ::inet_ntop(AF_INET6, &address, room, sizeof room), port());
  }
  if (family() == AF_UNIX) {
    const auto address = view_as<sockaddr_un>(storage_);
    return "unix:" + std::string(address.sun_path, ::strnlen(address.sun_path, sizeof address.sun_path));
  }
  return fmt::format("family {}", family());
}

Result<Fd> bind_tcp(const SocketAddress& address) {
  Fd socket(::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return fail_system("socket for " + address.text());
  const int on = 1;
  // Connections of a former gateway in TIME_WAIT must not keep the port; a living listener still does.
  if (::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0) return fail_system("SO_REUSEADDR");
  if (address.family() == AF_INET6 && ::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) < 0) {
    return fail_system("IPV6_V6ONLY");
  }
  if (::bind(socket.get(), address.raw(), address.size()) < 0) return fail_system("bind " + address.text());
  return socket;
}

Result<Fd> bind_unix(const SocketAddress& address) {
  Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return fail_system("socket for " + address.text());
  const mode_t before = ::umask(0177);
  const int bound = ::bind(socket.get(), address.raw(), address.size());
  const int error = errno;
  ::umask(before);
  if (bound < 0) return fail_system("bind " + address.text(), error);
  return socket;
}

Status start_listening(const Fd& socket, int backlog) {
  if (::listen(socket.get(), backlog) < 0) return fail_system("listen");
  return {};
}

bool has_ipv6_loopback() {
  const auto address = SocketAddress::ip("::1", 0);
  return address && bind_tcp(*address).has_value();
}

Result<PeerCredentials> peer_credentials(int fd) {
  ucred credentials{};
  socklen_t size = sizeof credentials;
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) < 0) return fail_system("SO_PEERCRED");
  return PeerCredentials{credentials.pid, credentials.uid, credentials.gid};
}

Result<std::optional<PeerCredentials>> listener_of(const SocketAddress& unix_address) {
  const Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return fail_system("socket");
  if (::connect(socket.get(), unix_address.raw(), unix_address.size()) == 0) {
    CLAWQL_TRY(PeerCredentials credentials, peer_credentials(socket.get()));
    return credentials;
  }
  if (errno == ECONNREFUSED || errno == ENOENT) return std::nullopt;
  if (errno == EAGAIN) return PeerCredentials{};  // its queue is full: alive, name unknown
  return fail_system("connect to " + unix_address.text());
}

std::uint64_t socket_inode(int fd) {
  struct stat facts{};
  if (::fstat(fd, &facts) < 0 || !S_ISSOCK(facts.st_mode)) return 0;
  return facts.st_ino;
}

std::uint64_t socket_cookie(int fd) {
  std::uint64_t cookie = 0;
  socklen_t size = sizeof cookie;
  return ::getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &size) == 0 ? cookie : 0;
}

}  // namespace clawql::os
