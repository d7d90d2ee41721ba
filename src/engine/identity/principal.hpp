// Who is calling. Without authentication it is the kernel's word: `uid:N` on the Unix socket, and one principal
// `loopback` for all of TCP. Sessions, caches and audit entries belong to a principal and never cross to another.
#pragma once

#include <string>

#include "ipc/messages.hpp"

namespace clawql::engine::identity {

struct Principal {
  std::string name;  // "uid:1000" | "loopback"
  bool operator==(const Principal&) const = default;
};

Principal identify(const ipc::Peer& peer);

}  // namespace clawql::engine::identity
