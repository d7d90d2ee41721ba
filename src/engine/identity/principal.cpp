#include "engine/identity/principal.hpp"

#include <fmt/format.h>

namespace clawql::engine::identity {

Principal identify(const ipc::Peer& peer) {
  switch (peer.kind) {
    case ipc::Peer::Kind::unix_socket: return {fmt::format("uid:{}", peer.uid)};
    case ipc::Peer::Kind::tcp: return {"loopback"};
  }
  return {"loopback"};
}

std::atomic<std::size_t>& PrincipalCounts::of(const std::string& principal) {
  const std::lock_guard lock(mutex_);
  return counts_[principal];
}

Principals::Principals(PrincipalCounts& counts)
    : counts_(counts), loopback_{.principal = {"loopback"}, .in_flight = &counts.of("loopback")} {}

KnownPrincipal& Principals::identify(const ipc::Peer& peer) {
  if (peer.kind == ipc::Peer::Kind::tcp) return loopback_;
  std::unique_ptr<KnownPrincipal>& known = by_uid_[peer.uid];
  if (!known) {
    known = std::make_unique<KnownPrincipal>(KnownPrincipal{.principal = identity::identify(peer)});
    known->in_flight = &counts_.of(known->principal.name);
  }
  return *known;
}

std::vector<std::string> Principals::with_sessions() const {
  std::vector<std::string> names;
  if (loopback_.sessions > 0) names.push_back(loopback_.principal.name);
  for (const auto& [uid, known] : by_uid_)
    if (known->sessions > 0) names.push_back(known->principal.name);
  return names;
}

}  // namespace clawql::engine::identity
