// What every step of one shard's line shares. Belongs to the shard's loop; nothing in it needs a lock.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/limits.hpp"
#include "base/log.hpp"
#include "engine/identity/principal.hpp"
#include "engine/line/auditor.hpp"
#include "engine/line/buffers.hpp"
#include "engine/line/common.hpp"
#include "engine/line/metrics.hpp"
#include "engine/line/replay.hpp"
#include "engine/mcp/session.hpp"
#include "engine/mcp/subscriptions.hpp"
#include "engine/mcp/view.hpp"
#include "engine/upstream/server.hpp"
#include "io/loop.hpp"

namespace clawql::engine::line {

// What a shard says of itself to shard 0, for `clawql status`.
// The instances of an entry that sessions or principals have for themselves.
struct InstancesStatus {
  std::string entry;
  std::array<std::size_t, upstream::kAllStates.size()> in_state{};  // how many are
  std::size_t in_flight = 0;                                        // calls
};

struct ShardStatus {
  std::size_t sessions = 0, in_flight = 0;
  std::vector<std::string> principals;                       // names of those with a session there
  std::vector<upstream::Description> servers;                // that it owns
  std::vector<InstancesStatus> instances;                    // there
  std::array<std::uint64_t, base::kReasonCount> refusals{};  // of all shards; those that it has met
};

// What registers itself for as long as it lives. Visiting one may end others.
template <class T>
class Registry {
 public:
  void add(T& one) { all_.insert(&one); }
  void remove(T& one) { all_.erase(&one); }
  template <class Visit>
  void for_each(Visit visit) {
    for (T* one : std::vector<T*>(all_.begin(), all_.end()))
      if (all_.contains(one)) visit(*one);
  }

 private:
  std::unordered_set<T*> all_;
};

class Listen;
class OwnServers;
class SseExchange;

struct Core {
  const std::uint8_t number;  // of the shard
  Common& common;
  io::Loop& loop;
  base::Logger& log;
  Auditor auditor;
  Metrics metrics;
  base::Limits limits;
  identity::Principals principals{common.principals};
  // The servers as most clients see them; who has processes of its own has a view of its own.
  mcp::View handshake_view{false}, modern_view{true};
  mcp::Subscriptions subscriptions{};
  Buffers buffers{common.buffered_bytes};
  std::size_t in_flight = 0;  // in this shard
  bool draining = false;
  bool drifted = false;                      // not as declared, and /readyz is to say so (exposure.hpp)
  std::vector<ShardStatus> others{};         // while an operator is answered
  std::function<void()> on_level_changed{};  // tells the other shards
  std::vector<mcp::ServerSlot> entries{};    // of the configuration, whoever runs them
  OwnServers* own_servers = nullptr;         // the shard's; null: nobody can have any
  std::string scratch{};                     // room to put a message together, for use within one callback
  Registry<mcp::Client> modern_clients{};    // those of 2026-07-28 that may have something under way
  Registry<Listen> listens{};
  Replays replays{};
  std::unordered_map<mcp::SessionId, SseExchange*, mcp::SessionId::Hash> old_streams{};  // by the id of their place
  mcp::Sessions sessions;  // last: sessions and what is in flight in them refer to all of the above

  // Room for bytes that wait for a client; `session`: what waits for its session already, or null.
  bool has_room_for_bytes(const std::size_t* session, std::size_t bytes) {
    if (buffers.has_room(session, bytes, limits)) return true;
    replays.drop_heard();
    return buffers.has_room(session, bytes, limits);
  }
  // Room for one more request of this client (limits in flight: a session, a principal, all).
  bool has_room_for_request(const mcp::Client& client) const {
    return client.in_flight() < limits.in_flight_session &&
           client.principal().in_flight->load(std::memory_order_relaxed) < limits.in_flight_peer &&
           common.in_flight.load(std::memory_order_relaxed) < limits.in_flight;
  }
};

// The servers as this principal's requests of 2026-07-28 see them.
mcp::View& modern_view_of(Core& core, identity::KnownPrincipal& principal);

// What one caller has under way of 2026-07-28: the request of a POST, or those of a connection.
class ModernClient final : public mcp::Client {
 public:
  ModernClient(Core& core, identity::KnownPrincipal& principal)
      : Client(principal, mcp::Version::v2026_07_28, modern_view_of(core, principal)), core_(core) {
    core_.modern_clients.add(*this);
  }
  ~ModernClient() override { core_.modern_clients.remove(*this); }

 private:
  Core& core_;
};

// Counts a request against the limits for as long as it lives.
class InFlight {
 public:
  InFlight(Core& core, const mcp::Client& client) : core_(core), principal_(client.principal()) {
    ++core_.in_flight;
    core_.common.in_flight.fetch_add(1, std::memory_order_relaxed);
    principal_.in_flight->fetch_add(1, std::memory_order_relaxed);
  }
  ~InFlight() {
    --core_.in_flight;
    core_.common.in_flight.fetch_sub(1, std::memory_order_relaxed);
    principal_.in_flight->fetch_sub(1, std::memory_order_relaxed);
  }
  InFlight(const InFlight&) = delete;
  InFlight& operator=(const InFlight&) = delete;

 private:
  Core& core_;
  identity::KnownPrincipal& principal_;
};

}  // namespace clawql::engine::line
