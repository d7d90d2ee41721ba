// The seccomp filter of a server: it may do what programs do, but not listen, not open Unix sockets, not touch other
// processes, the kernel or raw networks. Refused calls answer EPERM and never kill, because a server that probes for
// something must go on. Written as BPF by hand to keep the launcher small.
#pragma once

namespace clawql::run {

// Needs no_new_privs. 0 or the errno of seccomp(2).
int install_server_filter(bool may_listen, bool may_use_unix);

}  // namespace clawql::run
