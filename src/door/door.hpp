// The whole door, made from what is handed in: loops, clock, settings, listening sockets and channels. It opens
// nothing. One loop accepts and hands connections round to all; each connection stays with its loop. A test runs it in
// its own process, with a fake engine at the other end of a channel.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.hpp"
#include "base/log.hpp"
#include "base/result.hpp"
#include "door/door_loop.hpp"
#include "io/stream.hpp"
#include "ipc/settings.hpp"
#include "os/fd.hpp"

namespace clawql::door {

class Door {
 public:
  // `first` is the caller's loop, on which all calls are made. Further loops (settings.threads) exist from here on and
  // run from start() on. An error: the settings cannot be kept (allow-lists, listeners).
  static Result<std::unique_ptr<Door>> make(io::Loop& first, base::Logger& logger, const ipc::DoorSettings& settings);
  ~Door();
  Door(const Door&) = delete;
  Door& operator=(const Door&) = delete;

  // A reload: on an error nothing changed. `threads` and `engine_shards` keep their first values.
  Status apply(const ipc::DoorSettings& settings);
  // A listening socket for the listener `id` of the settings; accepted from after start().
  Status add_listener(std::uint16_t id, os::Fd socket);
  void close_listener(std::uint16_t id);
  Status add_channel(std::uint32_t door_loop, std::uint32_t shard, os::Fd channel);
  // After the lock-down: starts the threads and accepts.
  void start();
  // Stops accepting, lets answers under way end (at most limits.drain_seconds), then calls `done` on the first loop.
  void drain(std::function<void()> done);

  DoorLoop& loop(std::uint32_t index) { return *loops_[index]; }  // for tests

 private:
  struct Place {
    std::shared_ptr<const Listener> listener;
    os::Fd waiting;  // until start()
    std::unique_ptr<io::Acceptor> acceptor;
  };
  explicit Door(io::Loop& first) : first_(first) {}
  void accept_from(Place& place);
  void welcome(os::Fd connection, const std::shared_ptr<const Listener>& listener);

  io::Loop& first_;
  std::vector<std::unique_ptr<io::Loop>> own_loops_;
  std::vector<std::unique_ptr<DoorLoop>> loops_;  // [0] on first_
  std::vector<std::thread> threads_;
  std::map<std::uint16_t, std::shared_ptr<const Listener>> known_;
  std::map<std::uint16_t, Place> places_;
  std::uint32_t next_ = 0;
  std::size_t draining_loops_ = 0;
  bool started_ = false;
};

}  // namespace clawql::door
