// Any bytes as an answer of NETLINK_SOCK_DIAG. The first byte chooses the protocol.
#include <cstring>

#include "base/check.hpp"
#include "os/socket_dump.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace clawql::os;
  if (size == 0) return 0;
  const auto protocol = static_cast<DumpedSocket::Protocol>(data[0] % 8);
  std::vector<std::uint64_t> room(size / 8 + 1);  // aligned, and no byte more than needed
  std::memcpy(room.data(), data + 1, size - 1);
  std::vector<DumpedSocket> found;
  const auto complete =
      parse_socket_dump({reinterpret_cast<const char*>(room.data()), size - 1}, protocol, 0, 0, found);
  if (!complete) CLAWQL_CHECK(!complete.error().message.empty());
  for (const DumpedSocket& socket : found) {
    CLAWQL_CHECK(socket.is_unix() ? !socket.name.empty() || socket.abstract_name : socket.local.port() != 0);
  }
  std::vector<LoopbackConnection> connections;
  static_cast<void>(parse_connection_dump({reinterpret_cast<const char*>(room.data()), size - 1}, 0, 0, connections));
  for (const LoopbackConnection& connection : connections) CLAWQL_CHECK(connection.remote.is_loopback());
  return 0;
}
