// Who is at the other end of a connection, asked of the kernel once, when it was accepted.
#pragma once

#include "base/result.hpp"
#include "ipc/messages.hpp"

namespace clawql::door {

// `unix_socket`: SO_PEERCRED (the credentials of the moment of connect), else the peer's address.
Result<ipc::Peer> peer_of(int fd, bool unix_socket);

}  // namespace clawql::door
