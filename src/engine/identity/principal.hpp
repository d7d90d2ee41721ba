// Who is calling. Without authentication it is the kernel's word: `uid:N` on the Unix socket, and one principal
// `loopback` for all of TCP. Sessions, caches and audit entries belong to a principal and never cross to another.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "ipc/messages.hpp"

namespace clawql::engine::identity {

struct Principal {
  std::string name;  // "uid:1000" | "loopback"
  bool operator==(const Principal&) const = default;
};

Principal identify(const ipc::Peer& peer);

// Requests that wait for an answer, of each principal and over all shards. A shard asks once for each principal that it
// meets; from then on counting is one relaxed add, because the number limits and orders nothing else.
class PrincipalCounts {
 public:
  // From every thread; the reference stays valid.
  std::atomic<std::size_t>& of(const std::string& principal);

 private:
  std::mutex mutex_;
  std::map<std::string, std::atomic<std::size_t>, std::less<>> counts_;
};

// A principal that a shard has seen, and what it has under way. One object for each name as long as the registry lives,
// so that two are the same when their addresses are.
struct KnownPrincipal {
  Principal principal;
  std::atomic<std::size_t>* in_flight = nullptr;  // of PrincipalCounts
  std::size_t sessions = 0;                       // in this shard
};

// Every principal of one shard. Bounded by the users of this machine: a uid is the kernel's, never the client's.
class Principals {
 public:
  explicit Principals(PrincipalCounts& counts);
  KnownPrincipal& identify(const ipc::Peer& peer);
  std::vector<std::string> with_sessions() const;  // the names of those that have an open session here

 private:
  PrincipalCounts& counts_;
  KnownPrincipal loopback_;
  std::unordered_map<std::uint32_t, std::unique_ptr<KnownPrincipal>> by_uid_;
};

}  // namespace clawql::engine::identity
