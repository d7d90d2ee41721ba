// Landlock by its three raw system calls, with our own constants: Debian 12's headers stop at ABI 2, kernels go on.
// What a kernel does not know is left out and told. Needs nothing but libc, because the static launcher uses it as
// well. Source: Documentation/userspace-api/landlock.rst.
#pragma once

#include <span>

namespace clawql::os {

struct LandlockPath {
  const char* path;
  bool writable;  // false: read, list and execute below it; true: everything below it
};

// What to give up. The calling thread and its later children are restricted, so call it before there are threads.
struct LandlockRequest {
  bool files = false;  // every path but `allowed`; without any of them the whole file system
  std::span<const LandlockPath> allowed;
  bool tcp_bind = false;
  bool tcp_connect = false;
  bool scopes = false;  // signals to, and abstract Unix sockets of, processes that are not restricted with us
};

struct LandlockOutcome {
  int abi = 0;                 // of the kernel; 0: it has no Landlock
  int error = 0;               // errno of the call that failed, 0: restricted
  const char* failed = "";     // the call or the path that failed
  bool network_kept = false;   // a network rule was wanted, the kernel has none (below ABI 4)
  bool scopes_kept = false;    // the same for scopes (below ABI 6)
  bool truncate_kept = false;  // files can be truncated through a path (below ABI 3)
};

// Sets no_new_privs, then restricts. A path of `allowed` that does not exist is skipped: it gives nothing.
LandlockOutcome restrict_by_landlock(const LandlockRequest& request);

}  // namespace clawql::os
