// The servers as one kind of client sees them, and the catalogue merged from what they list. Clients of the handshake
// era share a view, those of 2026-07-28 another; who has processes of its own (`isolation:`) has one for itself.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/mcp/catalog.hpp"
#include "engine/upstream/server.hpp"

namespace clawql::engine::mcp {

enum class Isolation : std::uint8_t { shared, session, principal };

// An entry of the configuration.
struct ServerSlot {
  // That serves everybody; where `isolation` is another, the entry's processes are found elsewhere and this is null.
  upstream::Server* server = nullptr;
  // That serves clients of 2026-07-28 where `server` turns out to speak both eras; may be null.
  upstream::Server* modern = nullptr;
  std::uint64_t call_seconds = 0;  // 0: limits.call_seconds
  bool owned = true;               // by this shard; otherwise its owner records and logs what it does
  Isolation isolation = Isolation::shared;
  std::string name = {};  // of the entry
  bool eager = true;      // its processes start before anybody calls them
};

class View {
 public:
  explicit View(bool modern) : modern_(modern) {}

  // In configuration order.
  void set(std::vector<ServerSlot> slots) { slots_ = std::move(slots); }
  const std::vector<ServerSlot>& slots() const { return slots_; }
  const ServerSlot* slot(const upstream::Server& server) const;
  // The server that answers this view's clients; null where the slot has none.
  upstream::Server* serving(const ServerSlot& slot) const;

  const Catalog& catalog() const { return *catalog_; }
  std::shared_ptr<const Catalog> snapshot() const { return catalog_; }
  // Merges anew, after slots or lists changed. Returns what a client sees of it.
  Changes refresh();
  // What refresh() has found since it was asked last.
  Changes take_unannounced() { return std::exchange(unannounced_, {}); }
  Changes unannounced() const { return unannounced_; }

  // A list or a call should wait: a server that may have what is asked for is still starting.
  bool worth_waiting() const;
  // Somebody wants what lazy servers have.
  void wake_servers() const;

 private:
  bool modern_;
  Changes unannounced_;
  std::vector<ServerSlot> slots_;
  std::shared_ptr<const Catalog> catalog_ = std::make_shared<const Catalog>();
};

}  // namespace clawql::engine::mcp
