// What every step of one shard's line shares. Belongs to the shard's loop; nothing in it needs a lock.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/limits.hpp"
#include "base/log.hpp"
#include "engine/identity/principal.hpp"
#include "engine/line/auditor.hpp"
#include "engine/line/buffers.hpp"
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
};

struct Core {
  io::Loop& loop;
  base::Logger& log;
  Auditor auditor;
  Metrics metrics;
  base::Limits limits;
  mcp::CursorSeal cursors;
  identity::Principals principals{};
  std::vector<ServerSlot> servers{};  // in configuration order
  std::shared_ptr<const mcp::Catalog> catalog = std::make_shared<mcp::Catalog>();
  Buffers buffers{};
  std::size_t in_flight = 0;
  bool draining = false;
  std::string scratch{};   // room to put a message together, for use within one callback
  mcp::Sessions sessions;  // last: sessions and what is in flight in them refer to all of the above

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
    return session.in_flight() < limits.in_flight_session && session.principal().in_flight < limits.in_flight_peer &&
           in_flight < limits.in_flight;
  }
};

// Counts a request against the limits for as long as it lives.
class InFlight {
 public:
  InFlight(Core& core, mcp::Session& session) : core_(core), principal_(session.principal()) {
    ++core_.in_flight;
    ++principal_.in_flight;
  }
  ~InFlight() {
    --core_.in_flight;
    --principal_.in_flight;
  }
  InFlight(const InFlight&) = delete;
  InFlight& operator=(const InFlight&) = delete;

 private:
  Core& core_;
  identity::KnownPrincipal& principal_;
};

}  // namespace clawql::engine::line
