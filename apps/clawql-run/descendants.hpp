// Every process that came from the server, however it detached itself: this program is their subreaper, so orphans
// become its children and the tree below it is complete.
#pragma once

namespace clawql::run {

// True if this process is the init of a PID namespace: then everything in it is a descendant.
bool is_init();

// TERM, and CONT so that stopped ones hear it.
void ask_all_to_end();

// Stops all that can be found until no new one shows up (so that nothing forks away meanwhile), then kills them.
void kill_all();

}  // namespace clawql::run
