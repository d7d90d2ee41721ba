// Who runs as whom. The supervisor gives up what it does not need before it starts anything: with `user:` it becomes
// that user unless a server has a user of its own; then it stays root with SETUID, SETGID and KILL alone.
#pragma once

#include <optional>

#include "base/result.hpp"
#include "config/config.hpp"
#include "os/spawn.hpp"

namespace clawql::supervisor {

struct Privileges {
  std::optional<os::Identity> owner;     // whom the supervisor itself becomes, and its new folders and files belong to
  std::optional<os::Identity> children;  // of door, engine and servers without `user:`; absent: as the supervisor
  bool can_switch = false;               // a reload may bring servers with a `user:` of their own
};

// Decides, or says why the configuration asks for what this process cannot do.
Result<Privileges> plan_privileges(const config::Config& config);
// May this configuration be put in force by a reload?
Status check_reload_privileges(const Privileges& privileges, const config::Config& before, const config::Config& after);
// Does it, for good.
Status apply_privileges(const Privileges& privileges);

}  // namespace clawql::supervisor
