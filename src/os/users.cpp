#include "os/users.hpp"

#include <fmt/format.h>
#include <grp.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <vector>

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

Status forbid_tracing() {
  if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0) return fail_system("prctl(PR_SET_DUMPABLE)");
  return {};
}

}  // namespace clawql::os
