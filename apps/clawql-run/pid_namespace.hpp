// A PID namespace for the server and all that it starts, where this process is privileged enough to make one that looks
// the same from inside: then nothing can outlive the launcher, not even when it is killed together with the supervisor.
// An unprivileged process would need a user namespace, in which every uid reads differently; it gets none.
#pragma once

namespace clawql::run {

enum class Place {
  here,     // no namespace could be made; go on in this process
  inside,   // this is the namespace's init; go on here
  outside,  // the namespace's init goes on; wait for it
};
struct NamespaceOutcome {
  Place place = Place::here;
  int init = -1;  // outside: pid of the namespace's init
};

NamespaceOutcome enter_pid_namespace();

}  // namespace clawql::run
