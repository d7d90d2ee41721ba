// Children after they were started: how they ended, signals to them, and those that were never ours but fell to us
// because we are a subreaper.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "os/fd.hpp"

namespace clawql::os {

struct Exit {
  pid_t pid = -1;
  int status = 0;  // as waitpid(2) fills it
};
// "exited with status 1", "killed by SIGKILL".
std::string describe(const Exit& exit);

// Takes one dead child, whichever it is; nullopt: none is dead.
std::optional<Exit> reap_any();
// Living children of this process, adopted ones included. Needs /proc.
std::vector<pid_t> children_of_self();
void send_signal(const Fd& pidfd, int signal);  // a process that is gone is no error
// Name of a process as the kernel shows it ("clawql-door"), or "" where it cannot be seen.
std::string process_name(pid_t pid);

// From now on orphaned descendants become our children instead of init's.
Status become_subreaper();
// Blocks these signals for this process and gives a descriptor that becomes readable when one is pending; SIGPIPE is
// ignored. The descriptor is non-blocking.
Result<Fd> signal_descriptor(const std::vector<int>& signals);
// The next pending signal of such a descriptor.
std::optional<int> next_signal(const Fd& descriptor);

// The soft limit of descriptors to the hard one: that of many systems is 1,024. A kernel that refuses is no error.
void raise_file_limit();

// For programs that hold large messages for a moment: what is freed of large blocks goes back to the system at once,
// instead of staying in a heap that one small block at its top keeps from shrinking.
void give_back_large_blocks();

// {read end, write end}, close-on-exec, blocking.
Result<std::pair<Fd, Fd>> make_pipe();
Status set_nonblocking(int fd);
Result<Fd> duplicate(int fd);  // close-on-exec, above the standard descriptors
// Asks for room of so many bytes in a pipe; a refusal is no error.
void widen_pipe(int fd, int bytes);
// A descriptor on what `fd` shows (pipe or terminal) whose O_NONBLOCK is ours alone, so that a slow reader of our log
// never stops us and other writers are not surprised. Other kinds of file: a plain duplicate.
Fd own_log_descriptor(int fd);

}  // namespace clawql::os
