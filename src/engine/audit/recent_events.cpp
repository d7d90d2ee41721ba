#include "engine/audit/recent_events.hpp"

#include <algorithm>

namespace clawql::engine::audit {

RecentEvents::Ring& RecentEvents::ring_of(std::string_view principal) {
  if (const auto found = rings_.find(principal); found != rings_.end()) return found->second;
  if (rings_.size() >= kPrincipals) {
    rings_.erase(std::ranges::min_element(rings_, {}, [](const auto& entry) { return entry.second.last_use; }));
  }
  return rings_.emplace(principal, Ring{}).first->second;
}

void RecentEvents::add(std::string_view principal, std::string_view json) {
  if (capacity_ == 0) return;
  Ring& ring = ring_of(principal);
  ring.last_use = ++uses_;
  if (ring.events.size() < capacity_) {
    ring.events.emplace_back(json);
    return;
  }
  ring.events[ring.next].assign(json);
  ring.next = (ring.next + 1) % capacity_;
}

std::vector<std::string> RecentEvents::newest(std::string_view principal, std::size_t limit) const {
  std::vector<std::string> result;
  const auto found = rings_.find(principal);
  if (found == rings_.end()) return result;
  const Ring& ring = found->second;
  const std::size_t size = ring.events.size();
  const std::size_t count = std::min(limit, size);
  result.reserve(count);
  for (std::size_t i = size - count; i < size; ++i) result.push_back(ring.events[(ring.next + i) % size]);
  return result;
}

}  // namespace clawql::engine::audit
