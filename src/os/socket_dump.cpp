#include "os/socket_dump.hpp"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <netinet/in.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <set>

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

namespace clawql::os {
namespace {

using Protocol = DumpedSocket::Protocol;

constexpr std::uint8_t kEstablished = 1;
constexpr std::uint8_t kUnconnected = 7;  // TCP_CLOSE, which datagram sockets without a peer are in
constexpr std::uint8_t kListening = 10;   // TCP_LISTEN, also of Unix sockets and SCTP
constexpr int kAttempts = 4;              // a dump that the kernel calls inconsistent is asked for again

struct Answer {
  Protocol protocol;
  std::vector<DumpedSocket>* out;
};

template <class T>
T value_of(const nlattr* attribute) {
  T value{};
  std::memcpy(&value, mnl_attr_get_payload(attribute),
              std::min<std::size_t>(sizeof value, mnl_attr_get_payload_len(attribute)));
  return value;
}

std::uint64_t cookie_of(const std::uint32_t (&halves)[2]) {
  return static_cast<std::uint64_t>(halves[1]) << 32 | halves[0];
}

bool receives(Protocol protocol, std::uint8_t state) {
  switch (protocol) {
    case Protocol::tcp:
    case Protocol::mptcp:
    case Protocol::sctp:
    case Protocol::unix_stream:
    case Protocol::unix_seqpacket: return state == kListening;
    case Protocol::udp:
    case Protocol::udplite:
    case Protocol::unix_datagram: return state == kUnconnected;
  }
  return false;
}

int on_inet_attribute(const nlattr* attribute, void* context) {
  auto& socket = *static_cast<DumpedSocket*>(context);
  if (mnl_attr_get_type(attribute) == INET_DIAG_SKV6ONLY) socket.v6only = value_of<std::uint8_t>(attribute) != 0;
  if (mnl_attr_get_type(attribute) == INET_DIAG_CGROUP_ID) socket.cgroup = value_of<std::uint64_t>(attribute);
  return MNL_CB_OK;
}

Result<SocketAddress> address_of(int family, const void* address, std::uint16_t port) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (::inet_ntop(family, address, text.data(), text.size()) == nullptr) return fail_system("inet_ntop");
  return SocketAddress::ip(text.data(), ntohs(port));
}

int on_connection(const nlmsghdr* header, void* context) {
  if (mnl_nlmsg_get_payload_len(header) < sizeof(inet_diag_msg)) return errno = EPROTO, MNL_CB_ERROR;
  inet_diag_msg message{};
  std::memcpy(&message, mnl_nlmsg_get_payload(header), sizeof message);
  if (message.idiag_state != kEstablished) return MNL_CB_OK;
  const auto remote = address_of(message.idiag_family, message.id.idiag_dst, message.id.idiag_dport);
  const auto local = address_of(message.idiag_family, message.id.idiag_src, message.id.idiag_sport);
  if (!remote || !local) return errno = EPROTO, MNL_CB_ERROR;
  if (!remote->is_loopback()) return MNL_CB_OK;
  static_cast<std::vector<LoopbackConnection>*>(context)->push_back({*local, *remote, message.idiag_inode});
  return MNL_CB_OK;
}

int on_inet(const nlmsghdr* header, void* context) {
  const auto& answer = *static_cast<Answer*>(context);
  if (mnl_nlmsg_get_payload_len(header) < sizeof(inet_diag_msg)) return errno = EPROTO, MNL_CB_ERROR;
  inet_diag_msg message{};
  std::memcpy(&message, mnl_nlmsg_get_payload(header), sizeof message);
  if (!receives(answer.protocol, message.idiag_state) || message.id.idiag_sport == 0) return MNL_CB_OK;
  const auto address = address_of(message.idiag_family, message.id.idiag_src, message.id.idiag_sport);
  if (!address) return errno = EPROTO, MNL_CB_ERROR;
  DumpedSocket socket;
  socket.protocol = answer.protocol;
  socket.local = *address;
  socket.interface = message.id.idiag_if;
  socket.uid = message.idiag_uid;
  socket.inode = message.idiag_inode;
  socket.cookie = cookie_of(message.id.idiag_cookie);
  if (mnl_attr_parse(header, sizeof message, on_inet_attribute, &socket) < MNL_CB_STOP) return MNL_CB_ERROR;
  answer.out->push_back(std::move(socket));
  return MNL_CB_OK;
}

struct UnixFacts {
  DumpedSocket socket;
  bool named = false;
  bool has_peer = false;
};

int on_unix_attribute(const nlattr* attribute, void* context) {
  auto& facts = *static_cast<UnixFacts*>(context);
  const std::uint16_t type = mnl_attr_get_type(attribute);
  if (type == UNIX_DIAG_NAME) {
    std::string name(static_cast<const char*>(mnl_attr_get_payload(attribute)), mnl_attr_get_payload_len(attribute));
    facts.named = !name.empty();
    facts.socket.abstract_name = facts.named && name.front() == '\0';
    // The length of a path may count its closing NUL; an abstract name may hold NULs anywhere.
    if (facts.socket.abstract_name)
      name.erase(0, 1);
    else
      name.resize(::strnlen(name.data(), name.size()));
    facts.socket.name = std::move(name);
  } else if (type == UNIX_DIAG_VFS) {
    const auto file = value_of<unix_diag_vfs>(attribute);
    facts.socket.file_inode = file.udiag_vfs_ino;
    facts.socket.file_device = file.udiag_vfs_dev;
  } else if (type == UNIX_DIAG_PEER) {
    facts.has_peer = value_of<std::uint32_t>(attribute) != 0;
  } else if (type == UNIX_DIAG_UID) {
    facts.socket.uid = value_of<std::uint32_t>(attribute);
  }
  return MNL_CB_OK;
}

std::optional<Protocol> unix_protocol(std::uint8_t type) {
  if (type == SOCK_STREAM) return Protocol::unix_stream;
  if (type == SOCK_DGRAM) return Protocol::unix_datagram;
  if (type == SOCK_SEQPACKET) return Protocol::unix_seqpacket;
  return std::nullopt;
}

int on_unix(const nlmsghdr* header, void* context) {
  const auto& answer = *static_cast<Answer*>(context);
  if (mnl_nlmsg_get_payload_len(header) < sizeof(unix_diag_msg)) return errno = EPROTO, MNL_CB_ERROR;
  unix_diag_msg message{};
  std::memcpy(&message, mnl_nlmsg_get_payload(header), sizeof message);
  const auto protocol = unix_protocol(message.udiag_type);
  if (!protocol || !receives(*protocol, message.udiag_state)) return MNL_CB_OK;
  UnixFacts facts;
  facts.socket.protocol = *protocol;
  facts.socket.inode = message.udiag_ino;
  facts.socket.cookie = cookie_of(message.udiag_cookie);
  if (mnl_attr_parse(header, sizeof message, on_unix_attribute, &facts) < MNL_CB_STOP) return MNL_CB_ERROR;
  if (facts.named && !facts.has_peer) answer.out->push_back(std::move(facts.socket));
  return MNL_CB_OK;
}

struct CloseSocket {
  void operator()(mnl_socket* socket) const { mnl_socket_close(socket); }
};

struct Question {
  alignas(nlmsghdr) std::array<char, 256> bytes{};
  nlmsghdr* header() { return reinterpret_cast<nlmsghdr*>(bytes.data()); }
};

Question inet_question(int family, int protocol, std::uint8_t state) {
  Question question;
  nlmsghdr* header = mnl_nlmsg_put_header(question.bytes.data());
  inet_diag_req_v2 request{};
  request.sdiag_family = static_cast<std::uint8_t>(family);
  request.sdiag_protocol = static_cast<std::uint8_t>(protocol);
  request.idiag_states = 1U << state;
  std::memcpy(mnl_nlmsg_put_extra_header(header, sizeof request), &request, sizeof request);
  // sdiag_protocol has 8 bits: MPTCP cut to them would silently be TCP.
  if (protocol > 255) mnl_attr_put_u32(header, INET_DIAG_REQ_PROTOCOL, static_cast<std::uint32_t>(protocol));
  return question;
}

Question unix_question() {
  Question question;
  nlmsghdr* header = mnl_nlmsg_put_header(question.bytes.data());
  unix_diag_req request{};
  request.sdiag_family = AF_UNIX;
  request.udiag_states = 1U << kListening | 1U << kUnconnected;
  request.udiag_show = UDIAG_SHOW_NAME | UDIAG_SHOW_VFS | UDIAG_SHOW_PEER | UDIAG_SHOW_UID;
  std::memcpy(mnl_nlmsg_put_extra_header(header, sizeof request), &request, sizeof request);
  return question;
}

// One question and all of its answer. The errno of a refusal is in Error::system_errno.
// libmnl takes the lengths in headers for signed ints, so it would follow one over 2 GiB out of the datagram.
bool is_well_formed(std::span<const char> bytes) {
  while (bytes.size() >= sizeof(nlmsghdr)) {
    nlmsghdr header{};
    std::memcpy(&header, bytes.data(), sizeof header);
    if (header.nlmsg_len < sizeof header || header.nlmsg_len > bytes.size()) return false;
    bytes = bytes.subspan(std::min<std::size_t>(MNL_ALIGN(header.nlmsg_len), bytes.size()));
  }
  return bytes.empty();
}

Result<bool> parse(std::span<const char> bytes, unsigned sequence, unsigned port, mnl_cb_t on_message, void* context) {
  if (!is_well_formed(bytes)) return fail("NETLINK_SOCK_DIAG: a datagram that is cut");
  const int more = mnl_cb_run(bytes.data(), bytes.size(), sequence, port, on_message, context);
  if (more < 0) return fail_system("NETLINK_SOCK_DIAG");
  return more == MNL_CB_STOP;
}

// `take` gets each datagram, its sequence number and port, and says whether it was the last.
template <class Take>
Status ask_once(Question question, const Take& take) {
  const std::unique_ptr<mnl_socket, CloseSocket> socket(mnl_socket_open2(NETLINK_SOCK_DIAG, SOCK_CLOEXEC));
  if (!socket) return fail_system("open NETLINK_SOCK_DIAG");
  if (mnl_socket_bind(socket.get(), 0, MNL_SOCKET_AUTOPID) < 0) return fail_system("bind NETLINK_SOCK_DIAG");
  nlmsghdr* header = question.header();
  header->nlmsg_type = SOCK_DIAG_BY_FAMILY;
  header->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  header->nlmsg_seq = 1;
  if (mnl_socket_sendto(socket.get(), header, header->nlmsg_len) < 0) return fail_system("ask NETLINK_SOCK_DIAG");
  alignas(nlmsghdr) std::array<char, 32 << 10> in{};
  const unsigned port = mnl_socket_get_portid(socket.get());
  while (true) {
    const ssize_t got = mnl_socket_recvfrom(socket.get(), in.data(), in.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_system("read NETLINK_SOCK_DIAG");
    if (got == 0) return fail("NETLINK_SOCK_DIAG ended its answer halfway");
    CLAWQL_TRY(const bool complete, take(std::span<const char>(in.data(), static_cast<std::size_t>(got)), 1U, port));
    if (complete) return {};
  }
}

template <class Socket, class Parse>
Status ask(const Question& question, std::vector<Socket>& out, const Parse& parse) {
  const std::size_t before = out.size();
  for (int attempt = 1;; ++attempt) {
    Status status = ask_once(question, [&](std::span<const char> bytes, unsigned sequence, unsigned port) {
      return parse(bytes, sequence, port, out);
    });
    if (status || status.error().system_errno != EINTR || attempt == kAttempts) return status;
    out.resize(before);
  }
}

Status ask(const Question& question, Protocol protocol, std::vector<DumpedSocket>& out) {
  return ask(question, out, [&](std::span<const char> bytes, unsigned sequence, unsigned port, auto& found) {
    return parse_socket_dump(bytes, protocol, sequence, port, found);
  });
}

// The TCP subflow of an MPTCP listener carries the inode of the MPTCP socket.
void drop_subflows(std::vector<DumpedSocket>& sockets) {
  std::set<std::uint64_t> multipath;
  for (const DumpedSocket& socket : sockets)
    if (socket.protocol == Protocol::mptcp && socket.inode != 0) multipath.insert(socket.inode);
  if (multipath.empty()) return;
  std::erase_if(sockets, [&](const DumpedSocket& socket) {
    return socket.protocol == Protocol::tcp && multipath.contains(socket.inode);
  });
}

}  // namespace

Result<bool> parse_socket_dump(std::span<const char> bytes, Protocol protocol, unsigned sequence, unsigned port,
                               std::vector<DumpedSocket>& out) {
  Answer answer{protocol, &out};
  const bool is_unix = protocol >= Protocol::unix_stream;
  return parse(bytes, sequence, port, is_unix ? on_unix : on_inet, &answer);
}

Result<bool> parse_connection_dump(std::span<const char> bytes, unsigned sequence, unsigned port,
                                   std::vector<LoopbackConnection>& out) {
  return parse(bytes, sequence, port, on_connection, &out);
}

Result<std::vector<LoopbackConnection>> dump_loopback_connections() {
  std::vector<LoopbackConnection> result;
  for (const int family : {AF_INET, AF_INET6})
    CLAWQL_CHECKED(ask(inet_question(family, IPPROTO_TCP, kEstablished), result, parse_connection_dump));
  return result;
}

Result<std::vector<DumpedSocket>> dump_sockets() {
  struct Asked {
    Protocol protocol;
    int number;
    bool listening;
    bool may_lack;  // kernels without it have no such sockets either
  };
  constexpr std::array<Asked, 5> kAsked{{{Protocol::tcp, IPPROTO_TCP, true, false},
                                         {Protocol::udp, IPPROTO_UDP, false, false},
                                         {Protocol::mptcp, IPPROTO_MPTCP, true, true},
                                         {Protocol::udplite, IPPROTO_UDPLITE, false, true},
                                         {Protocol::sctp, IPPROTO_SCTP, true, true}}};
  std::vector<DumpedSocket> result;
  for (const Asked& asked : kAsked) {
    for (const int family : {AF_INET, AF_INET6}) {
      const Status status =
          ask(inet_question(family, asked.number, asked.listening ? kListening : kUnconnected), asked.protocol, result);
      if (status) continue;
      if (asked.may_lack && status.error().system_errno == ENOENT &&
          (asked.protocol != Protocol::mptcp || ::access("/proc/sys/net/mptcp/enabled", F_OK) != 0)) {
        continue;
      }
      return std::unexpected(status.error());
    }
  }
  CLAWQL_CHECKED(ask(unix_question(), Protocol::unix_stream, result));
  drop_subflows(result);
  return result;
}

}  // namespace clawql::os
