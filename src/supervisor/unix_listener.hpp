// Binding a Unix socket without stealing anybody's: the lock before the stale test, the mode and group before listen,
// nothing at the end of a symlink, no folder in which others could swap it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "os/fd.hpp"
#include "os/files.hpp"
#include "os/spawn.hpp"
#include "supervisor/posture.hpp"

namespace clawql::supervisor {

struct UnixListener {
  os::Fd socket;  // listening
  os::FileLock lock;
  std::uint64_t device = 0, inode = 0;  // of the socket file: it is removed at the end only if it is still ours
  mode_t mode = 0;                      // of that file, as it was left
  uid_t owner = 0;
  gid_t group = 0;
};
// Takes down mode, owner and group of the file as they are now.
Status remember_file(const std::string& path, UnixListener& listener);

// `owner`: whom created folders shall belong to (after a root start with `user:`). `patience`: how long to wait for a
// door that outlives a killed supervisor for a moment. An error with system_errno EADDRINUSE means that another live
// process has the socket; its message names the pid where it is visible.
Result<UnixListener> open_unix_listener(const Declared& declared, const std::optional<os::Identity>& owner,
                                        base::Milliseconds patience, std::vector<std::string>& warnings);
// Sets mode and group of a socket file; where the group cannot be set the mode is 0600 and a warning says what to do.
Status set_mode_and_group(const Declared& declared, std::vector<std::string>& warnings);
// Removes the file if it is still the one that was bound, and gives the lock back.
void close_unix_listener(const std::string& path, UnixListener& listener);

}  // namespace clawql::supervisor
