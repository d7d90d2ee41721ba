// The launcher's life after the start: reaps what ends, and ends what is left once the server, the supervisor or a
// signal says so. Returns only when no descendant is left.
#pragma once

namespace clawql::run {

// Blocks the signals that watch() waits for; call it before the first fork.
void block_watched_signals();

// The status to exit with: the server's, or 128 + the signal that ended it. `has_life_pipe`: kLifeFd is open.
int watch(int server, bool has_life_pipe);

// The outer process of a PID namespace: hands signals to the namespace's init and waits for it.
int watch_namespace(int init);

}  // namespace clawql::run
