// How the engine asks for processes: by name and instance. It cannot start one itself; the supervisor does, from its
// own copy of the configuration.
#pragma once

#include <cstdint>
#include <string_view>

#include "os/fd.hpp"

namespace clawql::engine::upstream {

inline constexpr std::uint64_t kShared = 0;  // the instance that all clients share

// For the instances that one shard starts: none comes twice, in no shard of this engine, as the supervisor demands. The
// number names its shard, so that reports find their way.
class InstanceNumbers {
 public:
  explicit InstanceNumbers(std::uint32_t shard = 0) : shard_(shard) {}
  std::uint64_t next() { return ++last_ << 8U | shard_; }
  // Server::generation().
  std::uint64_t next_generation() { return ++generations_ << 8U | shard_; }

 private:
  const std::uint32_t shard_;
  std::uint64_t last_ = kShared, generations_ = 0;
};

// The shard that started it; a shared process is its owner's.
inline std::uint32_t shard_of_instance(std::uint64_t instance) {
  return static_cast<std::uint32_t>(instance & 0xFFU);
}

class Launcher {
 public:
  // `instance`: kShared, or a number that was never used before; see ipc::ServerMessage for what holds of it.
  virtual void start(std::string_view server, std::uint64_t instance) = 0;
  virtual void stop(std::string_view server, std::uint64_t instance) = 0;     // stdin closed, TERM, KILL
  virtual void restart(std::string_view server, std::uint64_t instance) = 0;  // e.g. after garbage on stdout

 protected:
  ~Launcher() = default;
};

// The pipes of a server that the supervisor started.
struct Pipes {
  std::uint64_t instance = kShared;
  std::uint64_t incarnation = 0;  // rises with each start of the instance
  os::Fd to_server;               // its stdin
  os::Fd from_server;             // its stdout
  os::Fd errors;                  // its stderr
};

}  // namespace clawql::engine::upstream
