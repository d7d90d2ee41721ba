// What one thread of the door serves: its clients, its channels to the engine's shards, its share of the limits. All
// calls on its loop's thread.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <vector>

#include "base/log.hpp"
#include "door/admission.hpp"
#include "door/client.hpp"
#include "door/surroundings.hpp"
#include "io/loop.hpp"
#include "os/fd.hpp"

namespace clawql::door {

class DoorLoop final : private Undertaker, private io::TurnEnd {
 public:
  DoorLoop(io::Loop& loop, base::Logger& logger, std::shared_ptr<const Snapshot> snapshot, std::uint32_t loops,
           std::uint32_t shards);
  ~DoorLoop();

  io::Loop& loop() { return around_.loop; }
  // New requests are judged by it; those under way go on as they were judged.
  void apply(std::shared_ptr<const Snapshot> snapshot);
  void attach(std::uint32_t shard, os::Fd channel);
  void adopt(os::Fd connection, std::shared_ptr<const Listener> listener, const ipc::Peer& peer);
  // Idle connections end now, the others when their answer has ended, all of them after limits.drain_seconds. `done`
  // is called once, when none is left.
  void drain(std::function<void()> done);

  std::size_t clients() const { return clients_.size(); }
  const Admission& admission() const { return clients_admission_; }
  const RefusalBook& refusals() const { return around_.refusals; }

 private:
  void bury(Client& client) override;
  void on_turn_end() override;
  void close_all();

  Surroundings around_;
  Admission clients_admission_;
  Admission admin_admission_;  // its own places: a flood of clients must not lock the operator out
  std::list<std::unique_ptr<Client>> clients_;
  std::list<std::unique_ptr<Client>> buried_;
  std::function<void()> drained_;
  io::Deadline drain_limit_;
};

}  // namespace clawql::door
