#include "gateway.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>

namespace clawql::stdio {
namespace {

constexpr char kSystemSocket[] = "/run/clawql/gateway.sock";
constexpr std::size_t kLongestPasswd = 1U << 20;
constexpr int kPasswdUser = 2;  // name:password:uid:gid:comment:home:shell
constexpr int kPasswdHome = 5;

std::string read_file(const char* path) {
  std::string text;
  const int fd = ::open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return text;
  char piece[4096];
  for (ssize_t size = 0; text.size() < kLongestPasswd && (size = ::read(fd, piece, sizeof piece)) > 0;) {
    text.append(piece, static_cast<std::size_t>(size));
  }
  ::close(fd);
  return text;
}

std::string_view field_of(std::string_view line, int number) {
  for (; number > 0; --number) {
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) return {};
    line.remove_prefix(colon + 1);
  }
  return line.substr(0, line.find(':'));
}

// 0 and a socket in `fd`, or an errno value.
int connect_to(const std::string& path, int& fd) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path) return ENAMETOOLONG;
  std::memcpy(address.sun_path, path.data(), path.size());
  fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return errno;
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return 0;
  const int error = errno;
  ::close(fd);
  fd = -1;
  return error;
}

const char* explain(int error) {
  switch (error) {
    case ENOENT: return "no such socket";
    case ECONNREFUSED: return "nobody listens on it";
    case EACCES: return "permission denied: this user is not in the socket's group (see `clawql doctor`)";
    default: return ::strerror(error);
  }
}

}  // namespace

std::string home_of(unsigned user, const std::string& passwd) {
  const std::string wanted = std::to_string(user);
  std::string_view rest = passwd;
  while (!rest.empty()) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    if (field_of(line, kPasswdUser) == wanted) return std::string(field_of(line, kPasswdHome));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
  }
  return {};
}

std::vector<std::string> gateway_candidates(const char* chosen) {
  constexpr std::string_view kScheme = "unix://";
  if (chosen != nullptr) {
    std::string_view path = chosen;
    if (path.starts_with(kScheme)) path.remove_prefix(kScheme.size());
    return {std::string(path)};
  }
  std::vector<std::string> candidates;
  if (const unsigned user = ::geteuid(); user != 0) {
    candidates.push_back("/run/user/" + std::to_string(user) + "/clawql/gateway.sock");
    const std::string home = home_of(user, read_file("/etc/passwd"));
    if (home.starts_with('/')) candidates.push_back(home + "/.local/state/clawql/run/gateway.sock");
  }
  candidates.emplace_back(kSystemSocket);
  return candidates;
}

Connection connect_to_gateway(const std::vector<std::string>& candidates) {
  Connection connection;
  connection.complaint = "clawql-stdio: no gateway answers. Tried:\n";
  for (const std::string& path : candidates) {
    const int error = connect_to(path, connection.fd);
    if (error == 0) return connection;
    connection.complaint += "  " + path + ": " + explain(error) + "\n";
  }
  connection.complaint += "Start one with `clawql-api`, or name its socket with --socket PATH.\n";
  return connection;
}

}  // namespace clawql::stdio
