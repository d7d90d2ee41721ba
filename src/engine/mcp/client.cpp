#include "engine/mcp/client.hpp"

namespace clawql::engine::mcp {

Client::~Client() = default;

// At most limits.in_flight_session are here, so a walk is faster than any map.
Pending* Client::find(std::string_view raw_id) const {
  for (const auto& pending : pending_)
    if (pending->id() == raw_id) return pending.get();
  return nullptr;
}

void Client::add(std::unique_ptr<Pending> pending) {
  pending_.push_back(std::move(pending));
}

std::unique_ptr<Pending> Client::take(const Pending& pending) {
  for (auto& slot : pending_) {
    if (slot.get() != &pending) continue;
    std::unique_ptr<Pending> taken = std::move(slot);
    slot = std::move(pending_.back());
    pending_.pop_back();
    return taken;
  }
  return nullptr;
}

std::unique_ptr<Pending> Client::take_any() {
  if (pending_.empty()) return nullptr;
  std::unique_ptr<Pending> taken = std::move(pending_.back());
  pending_.pop_back();
  return taken;
}

std::size_t Client::change_asker(const Asker& from, Asker* to) {
  std::size_t count = 0;
  for (const auto& pending : pending_) {
    if (pending->asker() != &from) continue;
    pending->set_asker(to);
    ++count;
  }
  return count;
}

}  // namespace clawql::engine::mcp
