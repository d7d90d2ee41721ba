// One thing that a taken door or engine would try, or that an honest one needs.
#pragma once

#include <sys/types.h>

#include <span>
#include <string>
#include <vector>

namespace clawql::lockdown {

// What exists before the lock-down: the descriptors and neighbours of a door or an engine, and some more that only
// tests of single layers need.
struct Prepared {
  std::string folder;      // holds `file` (ours) and `private` (another user's, 0600)
  std::string abstract;    // name of the abstract socket that a process outside the lock-down listens on
  int port = 0;            // of `listener`
  int listener = -1;       // TCP, loopback, listening; one connection waits to be accepted
  int unbound = -1;        // a TCP socket, neither bound nor connected
  int unix_socket = -1;    // a Unix socket, not connected
  int pair[2] = {-1, -1};  // connected Unix stream sockets
  int passing = -1;        // a Unix socket in which a message with a descriptor waits
  int log = -1;            // a regular file, write and append only, as the audit is
  int source = -1;         // a regular file with text, readable
  int program = -1;        // a memfd that holds /bin/true
  int terminal = -1;       // a terminal
  int network = -1;        // /proc/self/ns/net
  int forgotten = -1;      // a descriptor that is not on the list of expected ones
  pid_t victim = -1;       // a process of the same user, outside the lock-down
  pid_t outsider = -1;     // ordinary user's run: another process of that user, which looks at us when asked by
  int outsider_line = -1;  // one byte 'm' (read our memory) or 't' (trace us); answers an int, 0 or errno

  std::vector<int> expected() const;  // what lock_down() is told, without `forgotten`
};

struct Act {
  const char* name;
  int (*attempt)(const Prepared&);  // 0: it worked; else errno
  bool as_ordinary_user = false;    // tried without root, whose capabilities would hide the layer
  bool mounts = false;
};

std::span<const Act> forbidden_acts();
std::span<const Act> needed_acts();

Prepared prepare();                             // once: files and neighbours
void prepare_sockets(Prepared& prepared);       // in the child that will be locked down: what an act uses up
void become_ordinary_user(Prepared& prepared);  // in the child that will be locked down
void clean_up(const Prepared& prepared);

}  // namespace clawql::lockdown
