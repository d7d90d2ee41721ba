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

}  // namespace clawql::engine::identity
