// Everything that can receive in the calling thread's network namespace, as NETLINK_SOCK_DIAG tells it. Needs no
// privilege. sock_diag.hpp is the short answer (addresses and owners) for a program that looks at itself; this is the
// long one for an audit. The answers are parsed apart from the socket, so that they can be tested and fuzzed as bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "os/socket.hpp"

namespace clawql::os {

struct DumpedSocket {
  enum class Protocol : std::uint8_t { tcp, mptcp, sctp, udp, udplite, unix_stream, unix_datagram, unix_seqpacket };
  Protocol protocol = Protocol::tcp;
  SocketAddress local;          // of the internet protocols
  std::string name;             // of a Unix socket: path as it was given to bind, or the abstract name without its NUL
  bool abstract_name = false;   // of a Unix socket
  bool v6only = false;          // of an IPv6 socket
  std::uint32_t interface = 0;  // index of the device that it is bound to; 0: none
  std::uint32_t uid = 0;        // who opened it
  std::uint64_t inode = 0;
  std::uint64_t cookie = 0;  // never reused while the machine runs
  std::uint64_t cgroup = 0;  // cgroup v2 id of whoever opened it; 0 where the kernel does not say
  // Of a Unix socket with a path: inode and device number (the kernel's own encoding) of its file.
  std::uint32_t file_inode = 0;
  std::uint32_t file_device = 0;
  bool is_unix() const { return protocol >= Protocol::unix_stream; }
};

// One datagram of an answer. Appends what listens (TCP, MPTCP, SCTP, Unix streams) or has a name and no peer (UDP, Unix
// datagrams). True: the answer is complete; false: more datagrams follow. `sequence` and `port` are those of the
// request (0: any). The bytes must be aligned as nlmsghdr.
Result<bool> parse_socket_dump(std::span<const char> bytes, DumpedSocket::Protocol protocol, unsigned sequence,
                               unsigned port, std::vector<DumpedSocket>& out);

// All of them, IPv4 and IPv6. A protocol that this kernel does not have is left out; every other refusal is an error,
// since half an answer would be taken for all of it. An MPTCP listener appears once, not also as its TCP subflow.
Result<std::vector<DumpedSocket>> dump_sockets();

// An open TCP connection of this namespace whose other end is this host's loopback.
struct LoopbackConnection {
  SocketAddress local, remote;
  std::uint64_t inode = 0;
};
// As parse_socket_dump.
Result<bool> parse_connection_dump(std::span<const char> bytes, unsigned sequence, unsigned port,
                                   std::vector<LoopbackConnection>& out);
Result<std::vector<LoopbackConnection>> dump_loopback_connections();

}  // namespace clawql::os
