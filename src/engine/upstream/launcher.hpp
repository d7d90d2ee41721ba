// How the engine asks for processes: by name. It cannot start one itself; the supervisor does, from its own copy of the
// configuration.
#pragma once

#include <cstdint>
#include <string_view>

#include "os/fd.hpp"

namespace clawql::engine::upstream {

class Launcher {
 public:
  virtual void start(std::string_view server) = 0;
  virtual void stop(std::string_view server) = 0;     // stdin closed, TERM, KILL
  virtual void restart(std::string_view server) = 0;  // e.g. after garbage on stdout

 protected:
  ~Launcher() = default;
};

// The pipes of a server that the supervisor started.
struct Pipes {
  std::uint64_t incarnation = 0;  // rises with each start
  os::Fd to_server;               // its stdin
  os::Fd from_server;             // its stdout
  os::Fd errors;                  // its stderr
};

}  // namespace clawql::engine::upstream
