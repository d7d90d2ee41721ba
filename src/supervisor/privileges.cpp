#include "supervisor/privileges.hpp"

#include <fmt/format.h>
#include <linux/capability.h>
#include <unistd.h>

#include <algorithm>

#include "os/capabilities.hpp"
#include "os/users.hpp"

namespace clawql::supervisor {
namespace {

constexpr std::uint64_t bit(int capability) {
  return std::uint64_t{1} << capability;
}
constexpr std::uint64_t kSwitchUsers = bit(CAP_SETUID) | bit(CAP_SETGID) | bit(CAP_KILL);
// A root start without `user:` keeps what its servers may keep behind clawql-run (no_new_privs lets none of them gain
// more than we hold), and SYS_ADMIN, with which clawql-run makes their PID namespace before it gives it up.
constexpr std::uint64_t kAsRoot = kSwitchUsers | bit(CAP_CHOWN) | bit(CAP_DAC_OVERRIDE) | bit(CAP_FOWNER) |
                                  bit(CAP_FSETID) | bit(CAP_NET_BIND_SERVICE) | bit(CAP_SYS_ADMIN);

bool has_own_user(const config::Server& server) {
  return !server.user.empty() && !server.disabled;
}

Status refuse_foreign_users(const config::Config& config) {
  for (const config::Server& server : config.servers) {
    if (!has_own_user(server)) continue;
    CLAWQL_TRY(const os::User user, os::find_user(server.user));
    if (user.identity.uid != ::geteuid()) {
      return fail(fmt::format("mcpServers.{}.user: only a gateway started as root can run a server as \"{}\"",
                              server.name, server.user));
    }
  }
  return {};
}

}  // namespace

Result<Privileges> plan_privileges(const config::Config& config) {
  Privileges plan;
  if (::geteuid() != 0) {
    if (!config.user.empty()) {
      CLAWQL_TRY(const os::User user, os::find_user(config.user));
      if (user.identity.uid != ::geteuid()) {
        return fail(fmt::format("user: only a gateway started as root can become \"{}\"", config.user));
      }
    }
    CLAWQL_CHECKED(refuse_foreign_users(config));
    return plan;
  }
  for (const config::Server& server : config.servers) {
    if (!has_own_user(server)) continue;
    if (auto user = os::find_user(server.user); !user)
      return std::unexpected(std::move(user).error().in("mcpServers." + server.name + ".user"));
  }
  if (config.user.empty()) {
    plan.can_switch = true;
    return plan;
  }
  CLAWQL_TRY(const os::User user, os::find_user(config.user));
  if (user.identity.uid == 0) {
    plan.can_switch = true;
    return plan;
  }
  if (std::ranges::none_of(config.servers, has_own_user)) {
    plan.owner = user.identity;
  } else {
    plan.can_switch = true;
    plan.children = user.identity;
  }
  return plan;
}

Status check_reload_privileges(const Privileges& privileges, const config::Config& before,
                               const config::Config& after) {
  if (before.user != after.user) return fail("user: it changes only at a restart of clawql-api");
  if (privileges.can_switch) return {};
  if (::geteuid() == 0 || std::ranges::none_of(after.servers, has_own_user)) return {};
  return refuse_foreign_users(after);
}

namespace {

Status limit(std::uint64_t keep) {
  const os::CapabilityOutcome outcome = os::limit_capabilities(keep);
  if (outcome.error != 0) return fail_system(outcome.failed, outcome.error);
  return {};
}

}  // namespace

Status apply_privileges(const Privileges& privileges) {
  if (privileges.owner) {
    // First while the bounding set can still be lowered, then what the change of user needed.
    CLAWQL_CHECKED(limit(kSwitchUsers));
    CLAWQL_CHECKED(os::become_user(*privileges.owner));
  }
  const std::uint64_t as_root = privileges.children ? kSwitchUsers : kAsRoot;
  CLAWQL_CHECKED(limit(::geteuid() == 0 ? as_root : 0));
  return os::forbid_tracing();
}

}  // namespace clawql::supervisor
