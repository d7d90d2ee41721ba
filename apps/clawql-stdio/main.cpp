// clawql-stdio stands where an MCP client expects a stdio server, and carries its bytes to the gateway's Unix socket.
// It knows nothing of the protocol. `clawql stdio` execs it.
#include <poll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <string_view>

#include "gateway.hpp"
#include "pump.hpp"

namespace clawql::stdio {
namespace {

constexpr int kFailed = 1;
constexpr int kUsageStatus = 2;

void complain(std::string_view text) {
  // Where stderr is gone nobody is left to tell.
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, text.data(), text.size());
}

int usage(int status) {
  complain("usage: clawql-stdio [--socket PATH]\nCarries stdin and stdout to the ClawQL gateway on this machine.\n");
  return status;
}

// The client's first bytes, empty if it left without any. Waits without a gateway: clients start their servers long
// before they use them.
std::string_view first_bytes(std::array<char, 4096>& room) {
  std::array<pollfd, 2> watched{{{STDIN_FILENO, POLLIN, 0}, {STDOUT_FILENO, 0, 0}}};
  for (;;) {
    if (::poll(watched.data(), watched.size(), -1) < 0) {
      if (errno == EINTR) continue;
      return {};
    }
    if (watched[0].revents == 0) return {};  // stdout was closed
    const ssize_t size = ::read(STDIN_FILENO, room.data(), room.size());
    if (size >= 0) return {room.data(), static_cast<std::size_t>(size)};
    if (errno != EINTR && errno != EAGAIN) return {};
  }
}

int run(const char* chosen) {
  std::array<char, 4096> room;
  const std::string_view first = first_bytes(room);
  if (first.empty()) return 0;
  const Connection connection = connect_to_gateway(gateway_candidates(chosen));
  if (connection.fd < 0) {
    complain(connection.complaint);
    return kFailed;
  }
  switch (pump(connection.fd, first)) {
    case End::client_done:
    case End::client_left: return 0;
    case End::gateway_left: break;
  }
  complain(
      "clawql-stdio: the gateway closed the connection: it was stopped or restarted, or refused the client "
      "(see its log). Connect again.\n");
  return kFailed;
}

}  // namespace
}  // namespace clawql::stdio

int main(int count, char** argv) {
  using namespace clawql::stdio;
  static_cast<void>(std::signal(SIGPIPE, SIG_IGN));
  const char* chosen = nullptr;
  for (int i = 1; i < count; ++i) {
    const std::string_view word = argv[i];
    if (word == "--help") return usage(0);
    if (word != "--socket" || i + 1 == count) return usage(kUsageStatus);
    chosen = argv[++i];
  }
  return run(chosen);
}
