// The listeners of the gateway: opened once, kept open over every death of the door, changed by a reload as a whole or
// not at all.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "ipc/settings.hpp"
#include "os/fd.hpp"
#include "os/spawn.hpp"
#include "supervisor/posture.hpp"
#include "supervisor/unix_listener.hpp"

namespace clawql::supervisor {

struct OpenListener {
  std::uint16_t id = 0;
  Declared declared;
  os::Fd tcp;          // kind tcp
  UnixListener local;  // the other kinds
  int fd() const { return declared.kind == Declared::Kind::tcp ? tcp.get() : local.socket.get(); }
};

class Listeners {
 public:
  // `owner`: see open_unix_listener.
  explicit Listeners(std::optional<os::Identity> owner) : owner_(std::move(owner)) {}
  ~Listeners() { close(); }
  Listeners(const Listeners&) = delete;
  Listeners& operator=(const Listeners&) = delete;

  struct Change {
    std::vector<std::uint16_t> added, removed;
    std::vector<std::uint64_t> closed;  // cookies of the sockets of those removed: the door has them for a moment more
    std::vector<std::string> warnings;
  };
  // Makes the open listeners those of `declared`, and verifies the result with the kernel. After an error everything is
  // as before.
  Result<Change> apply(const std::vector<Declared>& declared);
  // Closes all of them and removes their files.
  void close();

  const std::vector<OpenListener>& open() const { return open_; }
  std::vector<ipc::ListenerSettings> settings() const;

 private:
  Result<OpenListener> open_one(const Declared& declared, std::vector<std::string>& warnings);
  Result<std::vector<OpenListener>> open_missing(const std::vector<Declared>& declared,
                                                 std::vector<std::string>& warnings);
  Status verify(const std::vector<OpenListener>& fresh, std::vector<std::string>& warnings) const;

  std::optional<os::Identity> owner_;
  std::vector<OpenListener> open_;
  std::uint16_t next_id_ = 1;
  bool successor_of_dead_ = false;  // a lock was left by a killed gateway: its door may hold ports for a moment more
};

}  // namespace clawql::supervisor
