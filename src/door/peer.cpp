#include "door/peer.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstring>

namespace clawql::door {
namespace {

Result<ipc::Peer> credentials_of(int fd) {
  ucred credentials{};
  socklen_t length = sizeof credentials;
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &length) != 0) return fail_system("SO_PEERCRED");
  ipc::Peer peer;
  peer.kind = ipc::Peer::Kind::unix_socket;
  peer.uid = credentials.uid;
  peer.gid = credentials.gid;
  peer.pid = static_cast<std::uint32_t>(credentials.pid);
  return peer;
}

Result<ipc::Peer> address_of(int fd) {
  sockaddr_storage storage{};
  socklen_t length = sizeof storage;
  if (::getpeername(fd, reinterpret_cast<sockaddr*>(&storage), &length) != 0) return fail_system("getpeername");
  ipc::Peer peer;
  peer.kind = ipc::Peer::Kind::tcp;
  if (storage.ss_family == AF_INET) {
    sockaddr_in address{};
    std::memcpy(&address, &storage, sizeof address);
    peer.address[10] = peer.address[11] = 0xFF;
    std::memcpy(peer.address.data() + 12, &address.sin_addr, 4);
    peer.port = ntohs(address.sin_port);
    return peer;
  }
  if (storage.ss_family == AF_INET6) {
    sockaddr_in6 address{};
    std::memcpy(&address, &storage, sizeof address);
    std::memcpy(peer.address.data(), &address.sin6_addr, 16);
    peer.port = ntohs(address.sin6_port);
    return peer;
  }
  return fail("a peer of an unknown address family");
}

}  // namespace

Result<ipc::Peer> peer_of(int fd, bool unix_socket) {
  return unix_socket ? credentials_of(fd) : address_of(fd);
}

}  // namespace clawql::door
