#include "door/door_loop.hpp"

#include <chrono>
#include <utility>

namespace clawql::door {
namespace {

base::Limits admin_limits(base::Limits limits) {
  constexpr std::uint64_t kAdminConnections = 64;
  limits.connections = limits.connections_per_peer = kAdminConnections;
  limits.in_flight = limits.in_flight_peer = kAdminConnections;
  return limits;
}

}  // namespace

DoorLoop::DoorLoop(io::Loop& loop, base::Logger& logger, std::shared_ptr<const Snapshot> snapshot, std::uint32_t loops,
                   std::uint32_t shards)
    : around_(loop, logger, *this, loops, shards),
      clients_admission_(snapshot->limits, loops),
      admin_admission_(admin_limits(snapshot->limits), 1),
      drain_limit_(loop, [this] { close_all(); }) {
  around_.snapshot = std::move(snapshot);
}

DoorLoop::~DoorLoop() {
  close_all();
}

void DoorLoop::apply(std::shared_ptr<const Snapshot> snapshot) {
  clients_admission_.set_limits(snapshot->limits);
  admin_admission_.set_limits(admin_limits(snapshot->limits));
  around_.snapshot = std::move(snapshot);
}

void DoorLoop::attach(std::uint32_t shard, os::Fd channel) {
  if (shard < around_.handover.shards()) around_.handover.shard(shard).attach(std::move(channel));
}

void DoorLoop::adopt(os::Fd connection, std::shared_ptr<const Listener> listener, const ipc::Peer& peer) {
  if (around_.draining) return;
  Admission& admission = listener->kind == Listener::Kind::admin ? admin_admission_ : clients_admission_;
  clients_.push_back(std::make_unique<Client>(around_, admission, std::move(listener), peer, std::move(connection)));
  Client& client = *clients_.back();
  client.place_ = std::prev(clients_.end());
  if (!client.begin()) client.close();
}

void DoorLoop::drain(std::function<void()> done) {
  around_.draining = true;
  drained_ = std::move(done);
  drain_limit_.set(std::chrono::seconds(around_.snapshot->limits.drain_seconds));
  for (auto next = clients_.begin(); next != clients_.end();) (*next++)->wind_up();
  loop().at_turn_end(*this);
}

void DoorLoop::close_all() {
  while (!clients_.empty()) clients_.front()->close();
}

void DoorLoop::bury(Client& client) {
  buried_.splice(buried_.end(), clients_, client.place_);
  loop().at_turn_end(*this);
}

void DoorLoop::on_turn_end() {
  buried_.clear();
  if (around_.draining && clients_.empty() && drained_) {
    drain_limit_.clear();
    std::exchange(drained_, nullptr)();
  }
}

}  // namespace clawql::door
