#include "engine/upstream/instances.hpp"

#include <algorithm>

namespace clawql::engine::upstream {

std::unique_ptr<OwnServer> Instances::make(const InstanceOrder& order, Server::Observer& observer) {
  const auto entry = std::ranges::find(entries_, order.entry, &ipc::ServerSettings::name);
  if (entry == entries_.end()) return nullptr;
  return std::make_unique<Instance>(*this, *entry, order, observer);
}

// Those of an entry that is gone are ended by their owners.
void Instances::apply(const ipc::EngineSettings& settings) {
  limits_ = settings.limits;
  entries_ = settings.servers;
  for (Instance* const each : std::vector(live_)) {
    const auto entry = std::ranges::find(entries_, each->name(), &ipc::ServerSettings::name);
    if (entry != entries_.end()) each->change(*entry);
  }
}

Instance* Instances::find(std::string_view entry, std::uint64_t number) const {
  if (number == kShared) return nullptr;
  const auto found = std::ranges::find_if(
      live_, [&](const Instance* each) { return each->number() == number && each->name() == entry; });
  return found == live_.end() ? nullptr : *found;
}

}  // namespace clawql::engine::upstream
