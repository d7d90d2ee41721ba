// Folders and locks.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/result.hpp"
#include "os/fd.hpp"

namespace clawql::os {

// Creates `path` and its missing parents with `mode`, whatever the umask. Returns those that it created, outermost
// first.
Result<std::vector<std::string>> make_folders(const std::string& path, mode_t mode);
std::string parent_of(const std::string& path);  // of an absolute path; "/" for a top one

// A lock that the kernel gives up when its holder dies. The file stays; it names the holder's pid.
struct FileLock {
  Fd file;
  bool left_by_dead = false;  // the former holder did not release it: it was killed
};
struct LockHeld {
  std::optional<pid_t> holder;
};
// Takes the lock at once or says who has it. Never follows a symlink.
Result<std::variant<FileLock, LockHeld>> lock_file(const std::string& path);
// A clean end: the next holder finds no name of a dead one.
void release(FileLock& lock);

}  // namespace clawql::os
