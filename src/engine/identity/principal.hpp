// Who is calling. Without authentication it is the kernel's word: `uid:N` on the Unix socket, and one principal
// `loopback` for all of TCP. Sessions, caches and audit entries belong to a principal and never cross to another.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>

#include "ipc/messages.hpp"

namespace clawql::engine::identity {

struct Principal {
  std::string name;  // "uid:1000" | "loopback"
  bool operator==(const Principal&) const = default;
};

Principal identify(const ipc::Peer& peer);

// A principal that has been seen, and what it has under way. One object for each name as long as the registry lives,
// so that two are the same when their addresses are.
struct KnownPrincipal {
  Principal principal;
  std::size_t in_flight = 0;  // requests that wait for an answer
  std::size_t sessions = 0;
};

// Every principal of one shard. Bounded by the users of this machine: a uid is the kernel's, never the client's.
class Principals {
 public:
  KnownPrincipal& identify(const ipc::Peer& peer);
  std::size_t with_sessions() const;  // how many have an open session

 private:
  KnownPrincipal loopback_{.principal = {"loopback"}};
  std::unordered_map<std::uint32_t, std::unique_ptr<KnownPrincipal>> by_uid_;
};

}  // namespace clawql::engine::identity
