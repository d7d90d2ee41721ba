// Where the gateway is willing to listen, checked twice: before any bind, from the declaration, and after listen, from
// the kernel. Only loopback and Unix sockets exist yet; an any-address is refused in every spelling, from every source.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "config/config.hpp"
#include "os/socket.hpp"

namespace clawql::supervisor {

// One listener as the operator declared it, ready to be bound.
struct Declared {
  enum class Kind : std::uint8_t { unix_socket, tcp, admin };
  Kind kind = Kind::tcp;
  os::SocketAddress address;
  std::string path;      // Unix sockets
  mode_t mode = 0600;    // of the socket file
  mode_t folder = 0750;  // of folders that are created for it
  std::string group;     // of socket and folder; empty: the process's own
  std::string label;     // "unix:/run/clawql/gateway.sock", "127.0.0.1:8080"
  bool same_place(const Declared& other) const { return kind == other.kind && label == other.label; }
};
std::string_view name(Declared::Kind kind);  // "unix" | "tcp" | "admin"

// The word after `bind:`. An error for every spelling of "everywhere", and for the forms that do not exist yet.
Status check_bind_word(std::string_view bind);
// A TCP address right before it is bound.
Status check_tcp_address(const os::SocketAddress& address);

// Everything that the configuration asks for, or why it may not. `ipv6`: this host has ::1; its absence becomes a
// warning where TCP is declared.
Result<std::vector<Declared>> declare(const config::Config& config, const std::string& runtime_folder, bool ipv6,
                                      std::vector<std::string>& warnings);

// Asks the kernel what this process really listens on: getsockname of each descriptor, then all listening sockets that
// are ours by inode (NETLINK_SOCK_DIAG). Both must be the declaration, neither more nor less. Where the kernel cannot
// be asked, a warning.
struct Listening {
  const Declared* declared;
  int fd;
};
Status verify_with_kernel(std::span<const Listening> listening, std::vector<std::string>& warnings);

}  // namespace clawql::supervisor
