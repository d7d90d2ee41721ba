#include "supervisor/unix_listener.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <thread>

#include "os/process.hpp"
#include "os/socket.hpp"
#include "os/users.hpp"

namespace clawql::supervisor {
namespace {

constexpr base::Milliseconds kPause{20};

std::string who(std::optional<pid_t> pid) {
  if (!pid || *pid <= 0) return "another process";
  const std::string name = os::process_name(*pid);
  return name.empty() ? fmt::format("process {}", *pid) : fmt::format("process {} ({})", *pid, name);
}

std::unexpected<Error> held(const Declared& declared, std::optional<pid_t> pid) {
  return std::unexpected(
      Error{fmt::format("{} is served by {}; stop it, or choose another path", declared.label, who(pid)), EADDRINUSE});
}

std::string group_warning(const Declared& declared, std::string_view why) {
  return fmt::format(
      "{}: the group \"{}\" could not be set ({}), so only its owner can use it. To share it: "
      "groupadd -r {} && usermod -aG {} USER, then restart",
      declared.label, declared.group, why, declared.group, declared.group);
}

Status prepare_folders(const Declared& declared, const std::optional<os::Identity>& owner) {
  CLAWQL_TRY(const std::vector<std::string> created, os::make_folders(os::parent_of(declared.path), declared.folder));
  auto group = declared.group.empty() ? Result<gid_t>(static_cast<gid_t>(-1)) : os::find_group(declared.group);
  for (const std::string& folder : created) {
    const uid_t uid = owner ? owner->uid : static_cast<uid_t>(-1);
    // A group that cannot be set is warned about once, with the socket itself.
    [[maybe_unused]] const int ignored = ::chown(folder.c_str(), uid, group.value_or(static_cast<gid_t>(-1)));
  }
  return {};
}

Status check_folder(const Declared& declared, const std::optional<os::Identity>& owner,
                    std::vector<std::string>& warnings) {
  const std::string folder = os::parent_of(declared.path);
  struct stat facts{};
  if (::stat(folder.c_str(), &facts) < 0) return fail_system("look at " + folder);
  if ((facts.st_mode & S_IWOTH) != 0) {
    return fail(
        fmt::format("{}: everybody may write to {} (mode {:04o}) and could put another socket there; choose a "
                    "folder of its own, or chmod o-w {}",
                    declared.label, folder, facts.st_mode & 07777U, folder));
  }
  const bool trusted = facts.st_uid == 0 || facts.st_uid == ::geteuid() || (owner && facts.st_uid == owner->uid);
  if (!trusted) {
    return fail(fmt::format("{}: {} belongs to uid {}, who could put another socket there", declared.label, folder,
                            facts.st_uid));
  }
  if (declared.kind == Declared::Kind::admin && (facts.st_mode & 077U) != 0) {
    if (::chmod(folder.c_str(), 0700) < 0) return fail_system("chmod 0700 " + folder);
  } else if ((facts.st_mode & S_IWGRP) != 0) {
    warnings.push_back(
        fmt::format("{}: the group of {} may write there and could put another socket in its place; "
                    "chmod g-w {}",
                    declared.label, folder, folder));
  }
  return {};
}

Result<os::FileLock> take_lock(const Declared& declared) {
  CLAWQL_TRY(auto lock, os::lock_file(declared.path + ".lock"));
  if (const auto* other = std::get_if<os::LockHeld>(&lock)) return held(declared, other->holder);
  return std::move(std::get<os::FileLock>(lock));
}

// Removes a stale socket; anything else in its place is refused.
Status clear_the_way(const Declared& declared, base::Milliseconds patience) {
  for (base::Milliseconds waited{0};; waited += kPause) {
    struct stat facts{};
    if (::lstat(declared.path.c_str(), &facts) < 0) {
      if (errno == ENOENT) return {};
      return fail_system("look at " + declared.path);
    }
    if (S_ISLNK(facts.st_mode)) {
      return fail(fmt::format("{} is a symbolic link; a socket is never made at the end of one", declared.path));
    }
    if (!S_ISSOCK(facts.st_mode)) return fail(fmt::format("{} exists and is no socket", declared.path));
    CLAWQL_TRY(const auto alive, os::listener_of(declared.address));
    if (!alive) break;
    if (waited >= patience) return held(declared, alive->pid);
    std::this_thread::sleep_for(kPause);
  }
  if (::unlink(declared.path.c_str()) < 0 && errno != ENOENT) return fail_system("remove the stale " + declared.path);
  return {};
}

}  // namespace

Status set_mode_and_group(const Declared& declared, std::vector<std::string>& warnings) {
  mode_t mode = declared.mode;
  if (!declared.group.empty()) {
    const auto group = os::find_group(declared.group);
    if (!group) {
      warnings.push_back(group_warning(declared, group.error().message));
      mode = 0600;
    } else if (::lchown(declared.path.c_str(), static_cast<uid_t>(-1), *group) < 0) {
      warnings.push_back(group_warning(declared, Error::system("chgrp").message));
      mode = 0600;
    }
  }
  if (::chmod(declared.path.c_str(), mode) < 0) return fail_system("chmod " + declared.path);
  return {};
}

Result<UnixListener> open_unix_listener(const Declared& declared, const std::optional<os::Identity>& owner,
                                        base::Milliseconds patience, std::vector<std::string>& warnings) {
  CLAWQL_CHECKED(prepare_folders(declared, owner));
  CLAWQL_CHECKED(check_folder(declared, owner, warnings));
  UnixListener listener;
  CLAWQL_TRY(listener.lock, take_lock(declared));
  if (owner && ::fchown(listener.lock.file.get(), owner->uid, owner->gid) < 0) {
    return fail_system("chown " + declared.path + ".lock");
  }
  CLAWQL_CHECKED(clear_the_way(declared, listener.lock.left_by_dead ? patience : base::Milliseconds{0}));
  CLAWQL_TRY(listener.socket, os::bind_unix(declared.address));
  CLAWQL_CHECKED(set_mode_and_group(declared, warnings));
  CLAWQL_CHECKED(os::start_listening(listener.socket));
  CLAWQL_CHECKED(remember_file(declared.path, listener));
  return listener;
}

Status remember_file(const std::string& path, UnixListener& listener) {
  struct stat facts{};
  if (::lstat(path.c_str(), &facts) < 0) return fail_system("look at " + path);
  listener.device = facts.st_dev;
  listener.inode = facts.st_ino;
  listener.mode = facts.st_mode & 07777U;
  listener.owner = facts.st_uid;
  listener.group = facts.st_gid;
  return {};
}

void close_unix_listener(const std::string& path, UnixListener& listener) {
  if (!listener.socket) return;
  listener.socket.reset();
  struct stat facts{};
  if (::lstat(path.c_str(), &facts) == 0 && facts.st_dev == listener.device && facts.st_ino == listener.inode) {
    ::unlink(path.c_str());
  }
  os::release(listener.lock);
}

}  // namespace clawql::supervisor
