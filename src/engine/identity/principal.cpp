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

KnownPrincipal& Principals::identify(const ipc::Peer& peer) {
  if (peer.kind == ipc::Peer::Kind::tcp) return loopback_;
  std::unique_ptr<KnownPrincipal>& known = by_uid_[peer.uid];
  if (!known) known = std::make_unique<KnownPrincipal>(KnownPrincipal{.principal = identity::identify(peer)});
  return *known;
}

std::size_t Principals::with_sessions() const {
  std::size_t count = loopback_.sessions > 0 ? 1 : 0;
  for (const auto& [uid, known] : by_uid_) count += known->sessions > 0 ? 1 : 0;
  return count;
}

}  // namespace clawql::engine::identity
