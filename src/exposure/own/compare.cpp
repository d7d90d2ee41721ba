#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "exposure/own/look.hpp"
#include "exposure/ports/text.hpp"

namespace clawql::exposure::own {
namespace {

using Protocol = os::DumpedSocket::Protocol;

std::string_view name_of(Protocol protocol) {
  switch (protocol) {
    case Protocol::tcp: return "tcp";
    case Protocol::mptcp: return "mptcp";
    case Protocol::sctp: return "sctp";
    case Protocol::udp: return "udp";
    case Protocol::udplite: return "udplite";
    case Protocol::unix_stream: return "unix";
    case Protocol::unix_datagram: return "unix-datagram";
    case Protocol::unix_seqpacket: return "unix-seqpacket";
  }
  return "";
}

bool is_connectionless(Protocol protocol) {
  return protocol == Protocol::udp || protocol == Protocol::udplite;
}

// Whoever sends a datagram gets a port from the kernel and can receive on it; nothing tells that from a service that
// chose a port of that range. A Unix datagram socket is the same with a name.
bool may_be_a_client(const os::DumpedSocket& socket, const Seen& seen) {
  if (socket.protocol == Protocol::unix_datagram) return true;
  if (!is_connectionless(socket.protocol)) return false;
  return socket.local.port() >= seen.first_free_port && socket.local.port() <= seen.last_free_port;
}

struct Holders {
  std::map<std::uint64_t, std::vector<const Member*>> by_inode;
  std::set<uid_t> opaque_users;
};

Holders holders_of(const std::vector<Member>& tree) {
  Holders holders;
  for (const Member& member : tree) {
    if (member.opaque) holders.opaque_users.insert(member.uid);
    for (const std::uint64_t inode : member.sockets) holders.by_inode[inode].push_back(&member);
  }
  return holders;
}

Finding surprise(const os::DumpedSocket& socket, const Member& holder) {
  const std::string subject = subject_of(socket);
  return make_finding(Kind::listener_unexpected, subject,
                      fmt::format("{} (pid {}), a process of this gateway, listens on {}, which nobody declared",
                                  holder.name, holder.pid, subject));
}

// A declared listener is held by us and by the door; a server that has it could answer for the gateway.
void check_holders(const Expected& declared, const Seen& seen, const std::vector<const Member*>& holders,
                   std::vector<Finding>& out) {
  const auto stranger =
      std::ranges::find_if(holders, [&](const Member* one) { return one->pid != seen.self && one->pid != seen.door; });
  if (stranger == holders.end()) return;
  out.push_back(make_finding(
      Kind::listener_unexpected, declared.subject,
      fmt::format("{} (pid {}) holds {}, which is the door's", (*stranger)->name, (*stranger)->pid, declared.subject)));
}

bool could_be_hidden(const os::DumpedSocket& socket, const Seen& seen, const Holders& holders) {
  // The kernel names the cgroup of internet sockets alone, and many programs besides ours hide their Unix sockets.
  if (socket.is_unix() || is_connectionless(socket.protocol) || socket.inode == 0) return false;
  if (!holders.opaque_users.contains(socket.uid)) return false;
  return seen.cgroup == 0 || socket.cgroup == 0 || socket.cgroup == seen.cgroup;
}

}  // namespace

std::string subject_of(const os::DumpedSocket& socket) {
  const std::string place =
      socket.is_unix() ? (socket.abstract_name ? "@" : "") + ports::printable_bytes(socket.name) : socket.local.text();
  return fmt::format("{} {}", name_of(socket.protocol), place);
}

Compared compare(const Seen& seen, const std::vector<Expected>& expected) {
  Compared result;
  const Holders holders = holders_of(seen.tree);
  std::map<std::uint64_t, const Expected*> missing;
  for (const Expected& one : expected) missing.emplace(one.inode, &one);
  for (const os::DumpedSocket& socket : seen.sockets) {
    const auto held = holders.by_inode.find(socket.inode);
    const bool is_ours = socket.inode != 0 && held != holders.by_inode.end();
    if (const auto declared = missing.find(socket.inode); declared != missing.end()) {
      if (is_ours) check_holders(*declared->second, seen, held->second, result.findings);
      missing.erase(declared);
    } else if (seen.closing.contains(socket.cookie) || may_be_a_client(socket, seen)) {
      continue;
    } else if (is_ours) {
      result.findings.push_back(surprise(socket, *held->second.front()));
    } else if (could_be_hidden(socket, seen, holders)) {
      result.unattributed.push_back(&socket);
    }
  }
  for (const auto& [inode, one] : missing)
    result.findings.push_back(make_finding(Kind::listener_missing, one->subject,
                                           one->subject + " was declared and does not listen any more"));
  return result;
}

}  // namespace clawql::exposure::own
