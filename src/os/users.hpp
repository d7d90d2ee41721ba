// Users and groups by name or number, and becoming one.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>

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
// Not dumpable: nobody of our uid may trace us or read our memory and environment. Survives no exec and no change of
// user, so it is called last.
Status forbid_tracing();

}  // namespace clawql::os
