// What every step of one shard's line shares. Belongs to the shard's loop; nothing in it needs a lock.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/limits.hpp"
#include "base/log.hpp"
#include "engine/identity/principal.hpp"
#include "engine/line/auditor.hpp"
#include "engine/line/buffers.hpp"
#include "engine/line/common.hpp"
#include "engine/line/metrics.hpp"
#include "engine/mcp/catalog.hpp"
#include "engine/mcp/cursor.hpp"
#include "engine/mcp/session.hpp"
#include "engine/upstream/server.hpp"
#include "io/loop.hpp"

namespace clawql::engine::line {

// A server as the line uses it.
struct ServerSlot {
  upstream::Server* server = nullptr;
  std::uint64_t call_seconds = 0;  // 0: limits.call_seconds
  bool owned = true;               // by this shard; otherwise its owner records and logs what it does
};

// What a shard says of itself to shard 0, for `clawql status`.
struct ShardStatus {
  std::size_t sessions = 0, in_flight = 0;
  std::vector<std::string> principals;                       // names of those with a session there
  std::vector<upstream::Description> servers;                // that it owns
  std::array<std::uint64_t, base::kReasonCount> refusals{};  // of all shards; those that it has met
};

struct Core {
  const std::uint8_t number;  // of the shard
  Common& common;
  io::Loop& loop;
  base::Logger& log;
  Auditor auditor;
  Metrics metrics;
  base::Limits limits;
  mcp::CursorSeal cursors;
  identity::Principals principals{common.principals};
  std::vector<ServerSlot> servers{};  // in configuration order
  std::shared_ptr<const mcp::Catalog> catalog = std::make_shared<mcp::Catalog>();
  Buffers buffers{common.buffered_bytes};
  std::size_t in_flight = 0;  // in this shard
  bool draining = false;
  bool drifted = false;                      // not as declared, and /readyz is to say so (exposure.hpp)
  std::vector<ShardStatus> others{};         // while an operator is answered
  std::function<void()> on_level_changed{};  // tells the other shards
  std::string scratch{};                     // room to put a message together, for use within one callback
  mcp::Sessions sessions;                    // last: sessions and what is in flight in them refer to all of the above

  const ServerSlot* slot(const upstream::Server& server) const {
    for (const ServerSlot& slot : servers)
      if (slot.server == &server) return &slot;
    return nullptr;
  }
  bool worth_waiting() const {
    for (const ServerSlot& slot : servers)
      if (slot.server->worth_waiting_for()) return true;
    return false;
  }
  // Somebody wants what lazy servers have.
  void wake_servers() const {
    for (const ServerSlot& slot : servers) slot.server->wake();
  }
  // Room for one more request of this session (limits in flight: a session, a principal, all).
  bool has_room_for_request(const mcp::Session& session) const {
    return session.in_flight() < limits.in_flight_session &&
           session.principal().in_flight->load(std::memory_order_relaxed) < limits.in_flight_peer &&
           common.in_flight.load(std::memory_order_relaxed) < limits.in_flight;
  }
};

// Counts a request against the limits for as long as it lives.
class InFlight {
 public:
  InFlight(Core& core, mcp::Session& session) : core_(core), principal_(session.principal()) {
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
