// A running gateway looks at itself: everything that listens in its processes must be a listener that was declared, and
// every declared listener must still be there, its file with the mode, owner and group that it was given. The kernel is
// asked (NETLINK_SOCK_DIAG, /proc, lstat), never a program. Needs no privilege.
//
// Door and engine let nobody read their descriptors. What they could hold is found by what is left over: a listening
// socket of their user and cgroup, younger than they are, that no visible process holds.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "exposure/own/finding.hpp"
#include "exposure/own/tree.hpp"
#include "os/socket_dump.hpp"

namespace clawql::exposure::own {

// A declared listener, open in this process.
struct Declared {
  std::string subject;  // "tcp 127.0.0.1:8080", "unix /run/clawql/gateway.sock"
  int fd = -1;          // borrowed
  // Of Unix sockets: the file as it was left.
  std::string path;
  std::uint64_t device = 0, inode = 0;
  std::uint32_t mode = 0;
  uid_t owner = 0;
  gid_t group = 0;
  bool private_folder = false;  // nobody but its owner may even look into the folder
};

class Look {
 public:
  // What listens now cannot have been opened by a process that is started later. Made before the first one is.
  explicit Look(std::string proc = "/proc");

  // `door`: the other process that may hold a declared listener; 0: none runs.
  std::vector<Finding> take(const std::vector<Declared>& declared, pid_t door, base::Microseconds now);
  // A listener that was closed here, by its cookie; the door closes it a moment later. Until then it is no surprise.
  void expect_end_of(std::uint64_t cookie, base::Microseconds now);

 private:
  struct Closing {
    std::uint64_t cookie;
    base::Microseconds until;
  };
  std::string proc_;
  std::set<std::uint64_t> before_;  // cookies
  std::vector<Closing> closing_;
};

// The file of a declared Unix socket, and its folder.
void check_file(const Declared& declared, std::vector<Finding>& out);

// What the kernel and /proc said, compared. Pure.
struct Seen {
  const std::vector<os::DumpedSocket>& sockets;
  const std::vector<Member>& tree;                        // of `self`
  const std::set<std::uint64_t>& closing;                 // cookies of our listeners that are on their way out
  std::uint64_t cgroup = 0;                               // ours; 0: not known
  std::uint16_t first_free_port = 0, last_free_port = 0;  // that the kernel gives to sockets without one
  pid_t self = 0, door = 0;
};
struct Expected {
  std::string subject;
  std::uint64_t inode = 0;
};
struct Compared {
  std::vector<Finding> findings;
  // Sockets that only a process with hidden descriptors can hold, if it is one of ours at all.
  std::vector<const os::DumpedSocket*> unattributed;
};
Compared compare(const Seen& seen, const std::vector<Expected>& expected);
std::string subject_of(const os::DumpedSocket& socket);

}  // namespace clawql::exposure::own
