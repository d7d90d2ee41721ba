// What the kernel says is listening (NETLINK_SOCK_DIAG), whatever a program believes of itself.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "os/socket.hpp"

namespace clawql::os {

struct KernelSocket {
  enum class Kind : std::uint8_t { tcp, udp, unix_stream };
  Kind kind = Kind::tcp;
  SocketAddress address;  // local
  std::string path;       // unix_stream; "@…" for an abstract name
  std::uint64_t inode = 0;
  std::uint32_t uid = 0;  // who opened it (0 for unix_stream: the kernel does not say)
};

// Listening TCP sockets, all UDP sockets and listening Unix sockets of this network namespace, IPv4 and IPv6. Needs no
// privilege. An error where the kernel lacks the interface.
Result<std::vector<KernelSocket>> kernel_sockets();
// Inodes of the sockets that this process holds (from /proc/self/fd).
Result<std::set<std::uint64_t>> own_socket_inodes();

struct SocketOwner {
  pid_t pid = 0;
  std::string name;
};
// The process that holds a socket, where /proc shows it to us.
std::optional<SocketOwner> owner_of(std::uint64_t inode);
// The process that listens on that TCP address or on an any-address that covers it.
std::optional<SocketOwner> tcp_owner(const SocketAddress& address);

}  // namespace clawql::os
