// What is open on this machine now: every socket that can receive, in every network namespace that may be entered, with
// its owners, and the ways around a listener. A survey says what it could not see (`gaps`), so that nobody takes half a
// view for the whole. It changes nothing on the machine.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "exposure/ports/findings.hpp"

namespace clawql::exposure::ports {

enum class Protocol : std::uint8_t { tcp, mptcp, sctp, udp, udplite, unix_stream, unix_datagram, unix_seqpacket };
std::string_view name_of(Protocol protocol);  // "tcp", "unix" (stream), "unix-datagram" …
std::optional<Protocol> protocol_named(std::string_view name);
bool is_unix(Protocol protocol);

// Where something listens; what two listeners have in common when they are "the same".
struct Place {
  std::string
      space;  // network namespace: "" for the audit's own, "blue" (/run/netns), "docker:1a2b3c4d5e6f", "exe:/path"
  Protocol protocol = Protocol::tcp;
  std::string address;  // canonical, v4-mapped ones unmapped: "127.0.0.1", "0.0.0.0", "::"
  std::uint16_t port = 0;
  std::string device;   // name of the interface that it is bound to
  bool v6only = false;  // of "::" alone: false means IPv4 from anywhere as well
  std::string path;     // of Unix sockets, unprintable bytes as \xNN; "@name" when abstract
  bool operator==(const Place&) const = default;

  bool is_any() const { return address == "0.0.0.0" || address == "::"; }
  bool is_loopback() const { return address.starts_with("127.") || address == "::1"; }
  bool is_abstract() const { return path.starts_with('@'); }
  std::string text() const;  // "[blue] tcp 127.0.0.1:8080 on lo"
};

struct Owner {
  pid_t pid = 0;
  std::string name;              // comm
  std::string executable;        // "" where it cannot be read
  std::string command;           // cmdline, blanks between the words, at most 512 bytes
  std::string cgroup;            // path in the unified hierarchy, or the longest of the others
  std::string container;         // first 12 characters of the container's id; "" outside of one
  std::uint64_t start_time = 0;  // in clock ticks since boot: tells a reused pid
};

// The file of a Unix socket as it is at the path.
struct SocketFile {
  mode_t mode = 0;  // permission bits
  uid_t owner = 0;
  gid_t group = 0;
  bool same = false;  // it is this socket's own; false: another file, or none
};

struct Listener {
  Place place;
  std::uint32_t uid = 0;
  std::uint64_t inode = 0;
  std::uint64_t cookie = 0;
  std::uint64_t cgroup_id = 0;
  std::vector<Owner> owners;
  bool owner_unreadable = false;   // one of the owners could not be read
  std::optional<SocketFile> file;  // of a Unix socket with a path; absent: could not be looked at
};

struct Survey {
  std::vector<Listener> listeners;
  std::vector<std::string> spaces;  // those looked into, "" first
  std::vector<Finding> ways;        // around a listener
  std::vector<Finding> gaps;        // what could not be seen
  std::size_t processes = 0;        // looked at
};

struct Scope {
  bool other_spaces = true;  // every network namespace that may be entered, not the caller's alone
  bool unix_sockets = true;
  bool ways = true;            // rule sets, sysctls, tunnels
  std::string proc = "/proc";  // where procfs is
};

// An error: nothing can be told at all (netlink refused, no procfs).
Result<Survey> take_survey(const Scope& scope);

}  // namespace clawql::exposure::ports
