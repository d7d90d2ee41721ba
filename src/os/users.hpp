// Users and groups by name or number, and giving up what a process does not need.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "os/spawn.hpp"

namespace clawql::os {

struct User {
  std::string name;  // the number as text where there is no passwd entry
  std::string home = "/";
  std::string shell = "/bin/sh";
  Identity identity;
};
// By name or number; with supplementary groups.
Result<User> find_user(std::string_view name_or_number);
// The caller; a uid without passwd entry (a container) is no error.
User current_user();
Result<gid_t> find_group(std::string_view name_or_number);

// Becomes that user for good: groups, gid, uid. Every capability goes with it.
Status become_user(const Identity& identity);
// Keeps these capabilities (CAP_KILL …) in the permitted and effective sets and empties the inheritable, ambient and
// bounding sets, so that no program started later gains any. Called without privilege it only removes.
Status keep_capabilities(const std::vector<int>& capabilities);
// no_new_privs, and not dumpable: nobody of our uid may trace us or read our memory and environment.
Status harden_process();

}  // namespace clawql::os
