// The expected state: a YAML file, meant for git, that says what may listen on a host. It is read strictly: an unknown
// key, a value of the wrong shape or an entry that occurs twice is an error that names file, line and column.
//
//   version: 1
//   listeners:
//     - {protocol: tcp, address: 127.0.0.1, port: 8080, device: lo, user: clawql, executable: /usr/bin/clawql-api,
//        sources: [100.64.0.5/32, lo]}
//     - {protocol: unix, path: /run/clawql/gateway.sock, mode: "0660", owner: root, group: clawql}
//   accepted:
//     - {finding: ports.dnat, subject: "…", reason: "…"}
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "exposure/ports/survey.hpp"

namespace clawql::exposure::ports {

inline constexpr std::size_t kMaxListeners = 20'000;

struct ExpectedListener {
  Place place;                           // space, path and port as patterns: see below
  bool any_port = false;                 // `port: any`
  std::string user;                      // name or number of the socket's user; "": not compared
  std::vector<std::string> executables;  // every owner must be one of them; empty: not compared. "kernel": no owner
  std::string mode;                      // of a Unix socket's file, four octal digits; "": not compared
  std::string owner, group;              // of that file, name or number; "": not compared
  std::vector<std::string> sources;      // networks and interfaces that may send to it, for the firewall's rules
  std::string comment;
  std::size_t line = 1;
};

// A finding that is known and meant.
struct Accepted {
  FindingId finding = FindingId::dnat;
  std::string subject;  // a pattern
  std::string reason;
  std::size_t line = 1;
};

struct ExpectedState {
  std::string file;  // as it was named
  bool tcp = true, udp = true,
       unix_sockets = true;  // `protocols`: what is compared at all (MPTCP and SCTP are with TCP)
  bool other_spaces = true;  // `namespaces: own` compares the audit's own alone
  std::vector<ExpectedListener> listeners;
  std::vector<Accepted> accepted;
};

// An error holds one line for each problem, "file:line:column: text".
Result<ExpectedState> parse_expected(std::string_view text, const std::string& file);
// What was seen, in the form that parse_expected reads. Ways around are written as accepted, for the reader to judge.
std::string write_expected(const Survey& survey);

// A pattern is a text that may end in `*`. Namespaces, Unix paths, executables and subjects are compared by it.
bool matches(std::string_view pattern, std::string_view text);

}  // namespace clawql::exposure::ports
