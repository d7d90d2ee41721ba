#include "http_client.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace clawql::bench {

void die(std::string_view why) {
  fmt::print(stderr, "bench: {}\n", why);
  std::exit(1);
}

Peer read_options(int argc, char** argv, const std::function<bool(std::string_view, const std::string&)>& set) {
  Peer peer;
  for (int i = 1; i < argc; ++i) {
    const std::string_view key = argv[i];
    if (key == "--plain") {
      peer.plain = true;
      continue;
    }
    if (++i == argc) die(fmt::format("{} needs a value", key));
    const std::string value = argv[i];
    if (key == "--port")
      peer.port = static_cast<std::uint16_t>(std::stoul(value));
    else if (key == "--path")
      peer.path = value;
    else if (key == "--host-header")
      peer.host = value;
    else if (key == "--version")
      peer.version = value;
    else if (!set(key, value))
      die(fmt::format("unknown option {}", key));
  }
  return peer;
}

std::string request_body(const Peer& peer, std::uint64_t id, std::string_view method, std::string_view members) {
  constexpr std::string_view kClaim =
      R"(,"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{},)"
      R"("io.modelcontextprotocol/clientInfo":{"name":"load","version":"1"}})";
  return fmt::format(R"({{"jsonrpc":"2.0","id":{},"method":"{}","params":{{{}{}}}}})", id, method, members,
                     peer.is_modern() ? kClaim : std::string_view{});
}

std::string modern_fields(std::string_view method, std::string_view name) {
  std::string fields = fmt::format("MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: {}\r\n", method);
  if (!name.empty()) fields += fmt::format("Mcp-Name: {}\r\n", name);
  return fields;
}

Connection::Connection(const Peer& peer) : peer_(peer) {
  fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(peer.port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
    die(fmt::format("connect: {}", std::strerror(errno)));
  const int on = 1;
  ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

void Connection::write(std::string_view request) {
  if (::write(fd_, request.data(), request.size()) != static_cast<ssize_t>(request.size())) die("write");
}

void Connection::post(std::string_view fields, std::string_view body) {
  write(
      fmt::format("POST {} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nAccept: application/json, "
                  "text/event-stream\r\n{}Content-Length: {}\r\n\r\n{}",
                  peer_.path, peer_.host, fields, body.size(), body));
}

void Connection::get(std::string_view fields) {
  write(fmt::format("GET {} HTTP/1.1\r\nHost: {}\r\nAccept: text/event-stream\r\n{}\r\n", peer_.path, peer_.host,
                    fields));
}

void Connection::read() {
  char room[65536];
  const ssize_t size = ::read(fd_, room, sizeof room);
  if (size <= 0) die("the connection ended in the middle of an answer");
  in_.append(room, static_cast<std::size_t>(size));
}

bool Connection::read_some() {
  read();
  return complete();
}

const std::string& Connection::wait_for_answer() {
  in_.clear();
  while (!read_some()) {
  }
  if (in_.compare(9, 1, "2") != 0) die("unexpected answer: " + in_.substr(0, 400));
  return in_;
}

void Connection::wait_for_event_stream() {
  in_.clear();
  for (read(); in_.find("\r\n\r\n") == std::string::npos; read()) {
  }
  if (in_.compare(9, 3, "200") != 0 || in_.find("text/event-stream") == std::string::npos)
    die("no event stream: " + in_.substr(0, 400));
  in_.erase(0, in_.find("\r\n\r\n"));
}

std::size_t Connection::count_in_events(std::string_view marker) {
  std::size_t count = 0;
  std::size_t begin = 0;
  for (std::size_t at = in_.find(marker); at != std::string::npos; at = in_.find(marker, begin)) {
    ++count;
    begin = at + marker.size();
  }
  // The rest may end in the first part of a marker.
  in_.erase(0, std::max(begin, in_.size() - std::min(in_.size(), marker.size() - 1)));
  return count;
}

std::string Connection::open_session() {
  post(
      "",
      fmt::format(
          R"({{"jsonrpc":"2.0","id":0,"method":"initialize","params":{{"protocolVersion":"{}","capabilities":{{}},"clientInfo":{{"name":"load","version":"1"}}}}}})",
          peer_.version));
  const std::string& in = wait_for_answer();
  std::string fields = fmt::format("MCP-Protocol-Version: {}\r\n", peer_.version);
  const std::size_t end = in.find("\r\n\r\n");
  for (std::size_t line = in.find("\r\n") + 2; line < end; line = in.find("\r\n", line) + 2)
    if (::strncasecmp(in.data() + line, "mcp-session-id: ", 16) == 0)
      fields += fmt::format("Mcp-Session-Id: {}\r\n", in.substr(line + 16, in.find("\r\n", line) - line - 16));
  post(fields, R"({"jsonrpc":"2.0","method":"notifications/initialized"})");
  wait_for_answer();
  in_.clear();
  return fields;
}

bool Connection::complete() const {
  const std::size_t end = in_.find("\r\n\r\n");
  if (end == std::string::npos) return false;
  const std::string_view head = std::string_view(in_).substr(0, end + 2);
  std::size_t length = 0;
  for (std::size_t line = head.find("\r\n") + 2; line < head.size(); line = head.find("\r\n", line) + 2) {
    if (::strncasecmp(head.data() + line, "content-length:", 15) == 0)
      length = std::strtoul(head.data() + line + 15, nullptr, 10);
    if (::strncasecmp(head.data() + line, "transfer-encoding:", 18) == 0)
      return in_.ends_with("\r\n0\r\n\r\n") || in_.substr(end + 4) == "0\r\n\r\n";
  }
  return in_.size() >= end + 4 + length;
}

void run_rounds(const std::function<void(double seconds)>& round) {
  fmt::print("ready\n");
  if (std::fflush(stdout) != 0) die("nobody reads");
  char line[64];
  while (std::fgets(line, sizeof line, stdin) != nullptr) {
    round(std::strtod(line, nullptr));
    if (std::fflush(stdout) != 0) die("nobody reads");
  }
}

}  // namespace clawql::bench
