#include "door/admission.hpp"

#include <algorithm>
#include <cstring>
#include <functional>
#include <string_view>

#include "base/check.hpp"

namespace clawql::door {
namespace {

Admission::PeerKey key_of(const ipc::Peer& peer) {
  Admission::PeerKey key{peer.kind, {}};
  if (peer.kind == ipc::Peer::Kind::tcp)
    key.identity = peer.address;
  else
    std::memcpy(key.identity.data(), &peer.uid, sizeof peer.uid);
  return key;
}

}  // namespace

std::size_t Admission::PeerHash::operator()(const PeerKey& key) const {
  const std::string_view bytes(reinterpret_cast<const char*>(key.identity.data()), key.identity.size());
  return std::hash<std::string_view>()(bytes) ^ static_cast<std::size_t>(key.kind);
}

Admission::Admission(const base::Limits& limits, std::uint32_t loops) : limits_(limits), loops_(std::max(loops, 1U)) {}

void Admission::set_limits(const base::Limits& limits) {
  limits_ = limits;
}

// The peer's own longest waiting connection goes where the peer is at its limit, else the longest waiting of all.
bool Admission::make_room(const PeerState* peer) {
  const bool peer_full = peer != nullptr && peer->connections >= share(limits_.connections_per_peer);
  if (!peer_full && connections_ < share(limits_.connections)) return true;
  Guest* const oldest = peer_full ? peer->waiting.front() : waiting_.front();
  if (oldest == nullptr) return false;
  oldest->evict(base::Reason::too_many_connections);
  CLAWQL_CHECK(oldest->peer_ == nullptr);
  return true;
}

bool Admission::enter(Guest& guest, const ipc::Peer& peer) {
  CLAWQL_CHECK(guest.peer_ == nullptr);
  const PeerKey key = key_of(peer);
  const auto known = peers_.find(key);
  if (!make_room(known == peers_.end() ? nullptr : &known->second)) return false;
  // Looked up again: making room may have ended the last connection of this very peer.
  PeerState& state = peers_[key];
  state.key = key;
  guest.peer_ = &state;
  ++state.connections;
  ++connections_;
  waits(guest);
  return true;
}

void Admission::leave(Guest& guest) {
  if (guest.peer_ == nullptr) return;
  end_request(guest);
  served(guest);
  holds(guest, 0);
  unsent(guest, 0);
  PeerState& peer = *std::exchange(guest.peer_, nullptr);
  --connections_;
  if (--peer.connections == 0) peers_.erase(PeerKey(peer.key));
}

void Admission::waits(Guest& guest) {
  if (guest.peer_ == nullptr || guest.ListHook<WaitingOverall>::linked()) return;
  waiting_.push_back(guest);
  guest.peer_->waiting.push_back(guest);
}

void Admission::served(Guest& guest) {
  if (!guest.ListHook<WaitingOverall>::linked()) return;
  waiting_.remove(guest);
  guest.peer_->waiting.remove(guest);
}

std::optional<base::Reason> Admission::begin_request(Guest& guest) {
  CLAWQL_CHECK(guest.peer_ != nullptr && !guest.in_flight_);
  if (guest.peer_->in_flight >= share(limits_.in_flight_peer) || in_flight_ >= share(limits_.in_flight))
    return base::Reason::too_many_requests;
  guest.in_flight_ = true;
  ++guest.peer_->in_flight;
  ++in_flight_;
  return std::nullopt;
}

void Admission::end_request(Guest& guest) {
  if (!std::exchange(guest.in_flight_, false)) return;
  --guest.peer_->in_flight;
  --in_flight_;
}

void Admission::holds(Guest& guest, std::size_t bytes) {
  if (guest.peer_ == nullptr) return;
  held_ = held_ - guest.held_ + bytes;
  guest.held_ = bytes;
  if (bytes == 0)
    holding_.remove(guest);
  else if (!guest.ListHook<Holding>::linked())
    holding_.push_back(guest);
  while (held_ > kMaxHeldBytes / loops_ && !holding_.empty()) holding_.front()->evict(base::Reason::overloaded);
}

void Admission::unsent(Guest& guest, std::size_t bytes) {
  if (guest.peer_ == nullptr) return;
  unsent_ = unsent_ - guest.unsent_ + bytes;
  guest.unsent_ = bytes;
  if (bytes == 0)
    sending_.remove(guest);
  else if (!guest.ListHook<Sending>::linked())
    sending_.push_back(guest);
  while (unsent_ > kMaxUnsentBytes / loops_ && !sending_.empty()) sending_.front()->evict(base::Reason::overloaded);
}

}  // namespace clawql::door
