// One pass over /proc: who holds which socket, and which network namespaces exist. Reading it per socket would cost
// sockets × processes.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/result.hpp"
#include "exposure/ports/survey.hpp"

namespace clawql::exposure::ports {

// A network namespace that something on this machine is in, or keeps.
struct SpaceSeen {
  std::vector<std::string> paths;  // ways to open it: /run/netns/x, /proc/7/ns/net, /proc/7/fd/3
  std::string name;                // of `ip netns`, "" without one
  pid_t process = 0;               // the lowest one in it, 0: none is
  pid_t keeper = 0;                // the lowest one that only keeps a descriptor of it
};

struct ProcessTable {
  std::unordered_map<std::uint64_t, std::vector<pid_t>> holders;  // by inode of the socket, ascending
  std::map<std::uint64_t, SpaceSeen> spaces;                      // by inode of the namespace
  std::uint64_t own_space = 0;
  std::vector<pid_t> processes;       // ascending
  std::size_t unreadable_fds = 0;     // processes whose descriptors were refused
  std::size_t unreadable_spaces = 0;  // processes whose namespace was refused
  bool hides = false;                 // mounted with hidepid, and we are not exempt
};

// An error where `proc` is no procfs.
Result<ProcessTable> read_processes(const std::string& proc);
// nullopt: the process is gone. What cannot be read stays empty.
std::optional<Owner> read_owner(const std::string& proc, pid_t pid);

// The container's id within a cgroup path: 64 hexadecimal digits, of which the first 12; "" where there is none.
std::string container_of(std::string_view cgroup);
// The path of the unified hierarchy in the text of /proc/PID/cgroup; without one (or if it is "/") the longest other.
std::string cgroup_of(std::string_view text);
// Field 22 of /proc/PID/stat, whatever the name in its parentheses holds; 0 when it is not such a text.
std::uint64_t start_time_of(std::string_view stat);
// Mount points of network namespaces in the text of mountinfo: {inode, mount point}.
std::vector<std::pair<std::uint64_t, std::string>> mounted_spaces(std::string_view mountinfo);
// Is procfs at `proc` mounted so that it hides processes of others (hidepid=1, 2, 4, noaccess, invisible, ptraceable)?
bool hides_processes(std::string_view mountinfo, std::string_view proc);

}  // namespace clawql::exposure::ports
