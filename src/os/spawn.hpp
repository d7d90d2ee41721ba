// Starting programs: exactly the descriptors that are named, exactly the environment that is given, a user of its own,
// and a belt that ends the child when its parent dies. Only the supervisor links to this in earnest; it has one thread,
// so that between fork and exec nothing can hold a lock.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "os/fd.hpp"

namespace clawql::os {

// Who a process runs as.
struct Identity {
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> groups;  // supplementary ones
};

struct SpawnRequest {
  std::string program;                   // path; never searched for
  std::vector<std::string> arguments;    // argv[0] included
  std::vector<std::string> environment;  // "NAME=value", nothing else is inherited
  std::string working_directory = "/";
  std::vector<int> fds;              // the child's descriptor i is a duplicate of fds[i] (borrowed); -1: /dev/null
  std::optional<Identity> identity;  // absent: as the parent
  int parent_death_signal = 9;       // set after the user was switched, which would clear it
  mode_t umask = 0077;
  bool raise_file_limit = false;  // soft RLIMIT_NOFILE to the hard one
};

struct Child {
  pid_t pid = -1;
  Fd pidfd;  // for signals: never reaches another process that got the same number
};

class Spawner {
 public:
  virtual ~Spawner() = default;
  // Returns once the program runs; an error names the step that failed (chdir, setuid, exec …). The child leads a
  // session of its own, has default signal handling and an empty signal mask.
  virtual Result<Child> spawn(const SpawnRequest& request) = 0;
};

class SystemSpawner final : public Spawner {
 public:
  Result<Child> spawn(const SpawnRequest& request) override;
};

}  // namespace clawql::os
