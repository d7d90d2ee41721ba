#include "connection.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstring>

namespace clawql::cli {
namespace {

Result<os::Fd> connect_to(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path) return fail_system(path, ENAMETOOLONG);
  std::memcpy(address.sun_path, path.data(), path.size());
  os::Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket) return fail_system("socket");
  // sockaddr_un is one of the kinds of sockaddr: this is how connect(2) is called.
  if (connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return fail_system(path);
  return socket;
}

}  // namespace

Result<Connection> Connection::open(const std::vector<std::string>& sockets) {
  std::string tried;
  for (const auto& path : sockets) {
    auto socket = connect_to(path);
    if (socket) return Connection(std::move(*socket), path);
    tried += "\n  " + socket.error().message;
  }
  return fail("no gateway answers; tried:" + tried + "\nStart it with `clawql-api`, or name its socket with --socket.");
}

Status Connection::write(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t size = send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return fail_system(path_);
    bytes.remove_prefix(static_cast<std::size_t>(size));
  }
  return {};
}

Result<std::size_t> Connection::read(std::string& out, std::chrono::steady_clock::time_point deadline) {
  while (true) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now()).count();
    pollfd watched{.fd = socket_.get(), .events = POLLIN, .revents = 0};
    const int ready = left <= 0 ? 0 : poll(&watched, 1, static_cast<int>(std::min<long>(left, 3'600'000)));
    if (ready < 0 && errno == EINTR) continue;
    if (ready < 0) return fail_system(path_);
    if (ready == 0) return fail(path_ + ": no answer in time");
    std::array<char, 65536> buffer;
    const ssize_t size = ::read(socket_.get(), buffer.data(), buffer.size());
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return fail_system(path_);
    out.append(buffer.data(), static_cast<std::size_t>(size));
    return static_cast<std::size_t>(size);
  }
}

}  // namespace clawql::cli
