#include "engine/mcp/view.hpp"

namespace clawql::engine::mcp {

const ServerSlot* View::slot(const upstream::Server& server) const {
  for (const ServerSlot& slot : slots_)
    if (slot.server == &server || slot.modern == &server) return &slot;
  return nullptr;
}

upstream::Server* View::serving(const ServerSlot& slot) const {
  if (!modern_ || slot.modern == nullptr || slot.server == nullptr) return slot.server;
  const upstream::Features& features = slot.server->offer()->features;
  return features.speaks_modern && features.speaks_handshake_era ? slot.modern : slot.server;
}

Changes View::refresh() {
  std::vector<upstream::Server*> servers;
  servers.reserve(slots_.size());
  for (const ServerSlot& slot : slots_)
    if (upstream::Server* const server = serving(slot)) servers.push_back(server);
  const auto before = std::exchange(catalog_, Catalog::merge(servers, *catalog_));
  const Changes changes = catalog_->changes_since(*before);
  unannounced_.add(changes);
  return changes;
}

bool View::worth_waiting() const {
  for (const ServerSlot& slot : slots_)
    if (const upstream::Server* const server = serving(slot); server != nullptr && server->worth_waiting_for())
      return true;
  return false;
}

void View::wake_servers() const {
  for (const ServerSlot& slot : slots_)
    if (upstream::Server* const server = serving(slot)) server->wake();
}

}  // namespace clawql::engine::mcp
