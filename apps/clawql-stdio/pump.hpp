// Bytes from stdin to the gateway and back, none lost, none changed, through two buffers of fixed size: a slow reader
// slows the other end down.
#pragma once

#include <string_view>

namespace clawql::stdio {

enum class End {
  client_done,   // stdin ended, and the gateway closed after its last answer
  client_left,   // stdout was closed: nobody reads
  gateway_left,  // the gateway closed or reset the connection while the client was still there
};

// `first` was read from stdin already. Ignore SIGPIPE before. Takes over `gateway`, a connected stream socket.
End pump(int gateway, std::string_view first);

inline constexpr unsigned kBufferBytes = 64U << 10;

}  // namespace clawql::stdio
