// Sockets of this host: addresses as values, listening sockets, who is at the other end. Names are never resolved.
#pragma once

#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "os/fd.hpp"

namespace clawql::os {

// An IPv4, IPv6 or Unix address as the kernel knows it.
class SocketAddress {
 public:
  SocketAddress() = default;
  // Numbers only: "127.0.0.1", "::1".
  static Result<SocketAddress> ip(std::string_view address, std::uint16_t port);
  // A path of at most 107 bytes.
  static Result<SocketAddress> unix_path(std::string_view path);
  // What `fd` is bound to (getsockname).
  static Result<SocketAddress> of(int fd);

  int family() const { return storage_.ss_family; }
  std::uint16_t port() const;  // 0 for Unix sockets
  // 0.0.0.0, ::, ::ffff:0.0.0.0: reachable from everywhere. An unbound address of another family counts as well.
  bool is_any() const;
  bool is_loopback() const;  // 127.0.0.0/8, ::1
  std::string text() const;  // "127.0.0.1:8080", "[::1]:8080", "unix:/run/x.sock"
  bool operator==(const SocketAddress& other) const { return text() == other.text(); }

  const sockaddr* raw() const { return reinterpret_cast<const sockaddr*>(&storage_); }
  socklen_t size() const { return size_; }

 private:
  sockaddr_storage storage_{};
  socklen_t size_ = 0;
};

// A TCP socket bound to `address`, not yet listening; IPv6 ones are v6only. Non-blocking. EADDRINUSE is in
// Error::system_errno.
Result<Fd> bind_tcp(const SocketAddress& address);
// A Unix stream socket bound to a new file of mode 0600.
Result<Fd> bind_unix(const SocketAddress& address);
Status start_listening(const Fd& socket, int backlog = 4096);

// Does IPv6 loopback exist here?
bool has_ipv6_loopback();

struct PeerCredentials {
  pid_t pid = 0;
  uid_t uid = 0;
  gid_t gid = 0;
};
// Of a connected Unix socket: who connected, or (for a client) who called listen.
Result<PeerCredentials> peer_credentials(int fd);

// Is somebody listening on that Unix socket? nullopt: nobody (a stale file). EACCES and its like are errors.
Result<std::optional<PeerCredentials>> listener_of(const SocketAddress& unix_address);

// Inode of a socket, as sock_diag names it; 0 when it cannot be told.
std::uint64_t socket_inode(int fd);
// The kernel's number of a socket, never reused while the machine runs; 0 when it cannot be told.
std::uint64_t socket_cookie(int fd);

}  // namespace clawql::os
