#include "os/users.hpp"

#include <fmt/format.h>
#include <grp.h>
#include <pwd.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>
#include <optional>

#include "base/decimal.hpp"

namespace clawql::os {
namespace {

constexpr std::size_t kEntryBytes = 64 << 10;

Result<std::optional<User>> lookup(std::string_view name, std::optional<std::uint32_t> number) {
  std::vector<char> room(kEntryBytes);
  passwd entry{};
  passwd* found = nullptr;
  const int error = number ? ::getpwuid_r(*number, &entry, room.data(), room.size(), &found)
                           : ::getpwnam_r(std::string(name).c_str(), &entry, room.data(), room.size(), &found);
  if (found == nullptr) {
    if (error != 0 && error != ENOENT && error != ESRCH) return fail_system("look up a user", error);
    return std::nullopt;
  }
  User user;
  user.name = entry.pw_name;
  if (entry.pw_dir != nullptr && *entry.pw_dir != '\0') user.home = entry.pw_dir;
  if (entry.pw_shell != nullptr && *entry.pw_shell != '\0') user.shell = entry.pw_shell;
  user.identity.uid = entry.pw_uid;
  user.identity.gid = entry.pw_gid;
  int count = 64;
  std::vector<gid_t> groups(static_cast<std::size_t>(count));
  while (::getgrouplist(entry.pw_name, entry.pw_gid, groups.data(), &count) < 0) {
    if (static_cast<std::size_t>(count) <= groups.size()) break;
    groups.resize(static_cast<std::size_t>(count));
  }
  groups.resize(static_cast<std::size_t>(count));
  user.identity.groups = std::move(groups);
  return user;
}

}  // namespace

Result<User> find_user(std::string_view name_or_number) {
  const auto number = base::parse_decimal<std::uint32_t>(name_or_number);
  CLAWQL_TRY(std::optional<User> user, lookup(name_or_number, number));
  if (user) return std::move(*user);
  if (!number)
    return fail(
        fmt::format("there is no user \"{}\" (useradd -r -s /usr/sbin/nologin {})", name_or_number, name_or_number));
  User bare;
  bare.name = std::string(name_or_number);
  bare.identity = Identity{*number, *number, {*number}};
  return bare;
}

User current_user() {
  if (auto user = lookup({}, ::getuid()); user && *user) return std::move(**user);
  User bare;
  bare.name = fmt::format("{}", ::getuid());
  bare.identity = Identity{::getuid(), ::getgid(), {}};
  return bare;
}

Result<gid_t> find_group(std::string_view name_or_number) {
  if (const auto number = base::parse_decimal<std::uint32_t>(name_or_number)) return *number;
  std::vector<char> room(kEntryBytes);
  group entry{};
  group* found = nullptr;
  ::getgrnam_r(std::string(name_or_number).c_str(), &entry, room.data(), room.size(), &found);
  if (found == nullptr) return fail(fmt::format("there is no group \"{}\"", name_or_number));
  return entry.gr_gid;
}

Status become_user(const Identity& identity) {
  if (::setgroups(identity.groups.size(), identity.groups.data()) < 0) return fail_system("setgroups");
  if (::setresgid(identity.gid, identity.gid, identity.gid) < 0) return fail_system("setresgid");
  if (::setresuid(identity.uid, identity.uid, identity.uid) < 0) return fail_system("setresuid");
  return {};
}

Status keep_capabilities(const std::vector<int>& capabilities) {
  // The bounding set can be lowered only by CAP_SETPCAP; without it there is nothing that a child could gain either
  // (no_new_privs).
  for (int capability = 0; capability <= CAP_LAST_CAP; ++capability) {
    if (::prctl(PR_CAPBSET_READ, capability, 0, 0, 0) == 1) ::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
  }
  ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  cap_t present = ::cap_get_proc();
  cap_t wanted = ::cap_init();
  Status status;
  if (present == nullptr || wanted == nullptr) status = fail_system("cap_get_proc");
  for (const cap_value_t capability : capabilities) {
    cap_flag_value_t held = CAP_CLEAR;
    if (!status || ::cap_get_flag(present, capability, CAP_PERMITTED, &held) < 0 || held == CAP_CLEAR) continue;
    ::cap_set_flag(wanted, CAP_PERMITTED, 1, &capability, CAP_SET);
    ::cap_set_flag(wanted, CAP_EFFECTIVE, 1, &capability, CAP_SET);
  }
  if (status && ::cap_set_proc(wanted) < 0) status = fail_system("cap_set_proc");
  ::cap_free(present);
  ::cap_free(wanted);
  return status;
}

Status harden_process() {
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) return fail_system("prctl(PR_SET_NO_NEW_PRIVS)");
  if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0) return fail_system("prctl(PR_SET_DUMPABLE)");
  return {};
}

}  // namespace clawql::os
