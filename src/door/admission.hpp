// Who gets a place: limits on connections, requests in flight and kept bytes, for each peer and overall, so that slow
// clients and floods leave the others served. All loopback clients are one peer and all clients of a laptop's socket
// one uid, so a full house must not lock everybody out: the connection that has waited longest without a complete
// request makes room for the new one. Everything is O(1). One Admission a loop, on its thread; with several loops each
// has its share of the limits.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <unordered_map>

#include "base/limits.hpp"
#include "base/refusal.hpp"
#include "door/intrusive_list.hpp"
#include "ipc/messages.hpp"

namespace clawql::door {

// Bytes the door keeps for all connections of a process; each of the two kinds has its own sum.
inline constexpr std::size_t kMaxUnsentBytes = 64U << 20;  // answers that clients have not taken
inline constexpr std::size_t kMaxHeldBytes = 64U << 20;    // pieces of requests that are not complete

class Admission {
 public:
  struct WaitingOverall {};
  struct WaitingOfPeer {};
  struct Holding {};
  struct Sending {};
  struct PeerState;

  // What a connection is to the admission. It calls leave() before it dies.
  class Guest : public ListHook<WaitingOverall>,
                public ListHook<WaitingOfPeer>,
                public ListHook<Holding>,
                public ListHook<Sending> {
   public:
    // Make room now: close the connection, and leave() within this call.
    virtual void evict(base::Reason reason) = 0;

   protected:
    ~Guest() = default;

   private:
    friend class Admission;
    PeerState* peer_ = nullptr;  // null: not inside
    std::size_t held_ = 0;
    std::size_t unsent_ = 0;
    bool in_flight_ = false;
  };

  struct PeerKey {
    ipc::Peer::Kind kind{};
    std::array<std::uint8_t, 16> identity{};  // address or uid
    bool operator==(const PeerKey&) const = default;
  };
  struct PeerState {
    PeerKey key;
    std::uint64_t connections = 0;
    std::uint64_t in_flight = 0;
    IntrusiveList<Guest, WaitingOfPeer> waiting;
  };

  // `loops`: how many Admissions share the limits.
  Admission(const base::Limits& limits, std::uint32_t loops);
  void set_limits(const base::Limits& limits);

  // False: no room, and nobody waits who could make some. On success the guest waits().
  bool enter(Guest& guest, const ipc::Peer& peer);
  void leave(Guest& guest);  // from wherever it is; may be called twice

  void waits(Guest& guest);   // it has no complete request; the longest waiting goes first
  void served(Guest& guest);  // a complete request is there
  std::optional<base::Reason> begin_request(Guest& guest);
  void end_request(Guest& guest);

  // How many bytes of unfinished request, or of untaken answer, are kept for it now. Over the limit the one that has
  // kept some for longest is evicted: that may be this guest.
  void holds(Guest& guest, std::size_t bytes);
  void unsent(Guest& guest, std::size_t bytes);

  std::uint64_t connections() const { return connections_; }
  std::uint64_t in_flight() const { return in_flight_; }

 private:
  struct PeerHash {
    std::size_t operator()(const PeerKey& key) const;
  };
  std::uint64_t share(std::uint64_t limit) const { return (limit + loops_ - 1) / loops_; }
  bool make_room(const PeerState* peer);  // null: a peer not seen before

  base::Limits limits_;
  std::uint32_t loops_;
  std::unordered_map<PeerKey, PeerState, PeerHash> peers_;
  IntrusiveList<Guest, WaitingOverall> waiting_;
  IntrusiveList<Guest, Holding> holding_;
  IntrusiveList<Guest, Sending> sending_;
  std::uint64_t connections_ = 0;
  std::uint64_t in_flight_ = 0;
  std::size_t held_ = 0;
  std::size_t unsent_ = 0;
};

}  // namespace clawql::door
