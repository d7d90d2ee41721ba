// The list of system calls that the door and the engine keep. Everything else kills the process (SIGSYS), but for the
// few calls that libraries try and can do without. The lists were made with strace; DECISIONS, "Lock-down", says what
// glibc and OpenSSL call and why the exceptions are there.
#pragma once

#include "base/result.hpp"
#include "os/lockdown.hpp"

namespace clawql::os {

// For good, on all threads; sets no_new_privs. Error::system_errno is the kernel's answer.
Status install_allow_list(Role role);

}  // namespace clawql::os
