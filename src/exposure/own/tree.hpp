// The processes of this gateway, from /proc: ourselves and all that descend from us (we are a subreaper, so nothing of
// ours can leave), and which sockets each of them holds.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace clawql::exposure::own {

struct Member {
  pid_t pid = 0;
  std::string name;  // comm
  uid_t uid = 0;
  std::vector<std::uint64_t> sockets;  // inodes
  // Its descriptors cannot be read: door and engine forbid it to everybody (not dumpable), and so does a server that
  // runs as another user.
  bool opaque = false;
};

// An error where `proc` is no procfs or does not show `root`. A process that ends while it is read is left out.
Result<std::vector<Member>> read_tree(const std::string& proc, pid_t root);

// Of /proc/PID/stat, whatever the name in its parentheses holds; 0 where it is not such a text.
pid_t parent_in(std::string_view stat);
// The effective uid in /proc/PID/status; -1 where it is not such a text.
uid_t uid_in(std::string_view status);

}  // namespace clawql::exposure::own
