// A load generator for MCP over HTTP: N kept-alive connections, one request in flight on each, every request with an id
// of its own that must come back. Prints one JSON line. Not a part of the product: it trusts its peer's grammar as far
// as a benchmark may.
//
//   load --port 8080 [--path /mcp] [--connections 64] [--seconds 3] [--warmup 1] [--tool NAME] [--arguments JSON]
//   [--plain]
//        [--host-header localhost:8080] [--version 2025-11-25]
//
// --plain: no MCP session, just POST the call (for servers that answer a constant).
#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace {

using SteadyClock = std::chrono::steady_clock;

struct Options {
  std::uint16_t port = 8080;
  std::string path = "/mcp";
  unsigned connections = 64;
  double seconds = 3, warmup = 1;
  std::string tool = "clawql__cache";
  std::string arguments = R"({"operation":"get","key":"bench"})";
  std::string host = "localhost";
  std::string version = "2025-11-25";
  bool plain = false;
};

[[noreturn]] void die(const std::string& why) {
  fmt::print(stderr, "load: {}\n", why);
  std::exit(1);
}

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string_view key = argv[i];
    if (key == "--plain") {
      options.plain = true;
      continue;
    }
    if (++i == argc) die(fmt::format("{} needs a value", key));
    const std::string value = argv[i];
    if (key == "--port")
      options.port = static_cast<std::uint16_t>(std::stoul(value));
    else if (key == "--path")
      options.path = value;
    else if (key == "--connections")
      options.connections = static_cast<unsigned>(std::stoul(value));
    else if (key == "--seconds")
      options.seconds = std::stod(value);
    else if (key == "--warmup")
      options.warmup = std::stod(value);
    else if (key == "--tool")
      options.tool = value;
    else if (key == "--arguments")
      options.arguments = value;
    else if (key == "--host-header")
      options.host = value;
    else if (key == "--version")
      options.version = value;
    else
      die(fmt::format("unknown option {}", key));
  }
  return options;
}

class Connection {
 public:
  explicit Connection(const Options& options) : options_(options) {
    fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(options.port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
      die("connect: " + std::string(std::strerror(errno)));
    const int on = 1;
    ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (!options.plain) open_session();
  }

  int fd() const { return fd_; }

  void send_call(std::uint64_t id) {
    id_text_ = fmt::format("\"id\":{}", id);
    post(fmt::format(R"({{"jsonrpc":"2.0",{},"method":"tools/call","params":{{"name":"{}","arguments":{}}}}})",
                     id_text_, options_.tool, options_.arguments));
    sent_at = SteadyClock::now();
  }

  // True when a whole answer has come.
  bool read_some() {
    char room[65536];
    const ssize_t size = ::read(fd_, room, sizeof room);
    if (size <= 0) die("the connection ended in the middle of an answer");
    in_.append(room, static_cast<std::size_t>(size));
    return complete();
  }

  bool answer_is_right() const {
    return options_.plain || (in_.compare(9, 3, "200") == 0 && in_.find(id_text_) != std::string::npos &&
                              in_.find("\"error\"") == std::string::npos);
  }
  const std::string& answer() const { return in_; }
  void forget_answer() { in_.clear(); }

  SteadyClock::time_point sent_at;

 private:
  void post(const std::string& body) {
    const std::string request = fmt::format(
        "POST {} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nAccept: application/json, "
        "text/event-stream\r\n{}Content-Length: {}\r\n\r\n{}",
        options_.path, options_.host, session_headers_, body.size(), body);
    if (::write(fd_, request.data(), request.size()) != static_cast<ssize_t>(request.size())) die("write");
  }

  void open_session() {
    post(fmt::format(
        R"({{"jsonrpc":"2.0","id":0,"method":"initialize","params":{{"protocolVersion":"{}","capabilities":{{}},"clientInfo":{{"name":"load","version":"1"}}}}}})",
        options_.version));
    while (!read_some()) {
    }
    if (in_.compare(9, 3, "200") != 0) die("initialize was answered: " + in_.substr(0, 300));
    const std::size_t end = in_.find("\r\n\r\n");
    for (std::size_t line = in_.find("\r\n") + 2; line < end; line = in_.find("\r\n", line) + 2)
      if (::strncasecmp(in_.data() + line, "mcp-session-id: ", 16) == 0)
        session_headers_ =
            fmt::format("Mcp-Session-Id: {}\r\n", in_.substr(line + 16, in_.find("\r\n", line) - line - 16));
    session_headers_ += fmt::format("MCP-Protocol-Version: {}\r\n", options_.version);
    in_.clear();
    post(R"({"jsonrpc":"2.0","method":"notifications/initialized"})");
    while (!read_some()) {
    }
    in_.clear();
  }

  bool complete() const {
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

  const Options& options_;
  int fd_ = -1;
  std::string session_headers_, in_, id_text_;
};

double percentile(std::vector<std::uint32_t>& microseconds_x10, double p) {
  if (microseconds_x10.empty()) return 0;
  const auto at = static_cast<std::ptrdiff_t>(static_cast<double>(microseconds_x10.size() - 1) * p);
  std::nth_element(microseconds_x10.begin(), microseconds_x10.begin() + at, microseconds_x10.end());
  return microseconds_x10[static_cast<std::size_t>(at)] / 10.0;
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = parse(argc, argv);
  std::vector<Connection> connections;
  connections.reserve(options.connections);
  const int poll = ::epoll_create1(EPOLL_CLOEXEC);
  std::uint64_t next_id = 1;
  for (unsigned i = 0; i < options.connections; ++i) {
    Connection& connection = connections.emplace_back(options);
    epoll_event event{.events = EPOLLIN, .data = {.ptr = &connection}};
    ::epoll_ctl(poll, EPOLL_CTL_ADD, connection.fd(), &event);
  }
  for (auto& connection : connections) connection.send_call(next_id++);

  const auto begin = SteadyClock::now();
  const auto measured_from =
      begin + std::chrono::duration_cast<SteadyClock::duration>(std::chrono::duration<double>(options.warmup));
  const auto until =
      measured_from + std::chrono::duration_cast<SteadyClock::duration>(std::chrono::duration<double>(options.seconds));
  std::vector<std::uint32_t> latencies;
  latencies.reserve(1 << 20);
  std::uint64_t wrong = 0;
  bool announced = false;
  for (auto now = begin; now < until;) {
    epoll_event events[256];
    const int count = ::epoll_wait(poll, events, 256, 5000);
    if (count == 0) die("no answer for five seconds");
    for (int i = 0; i < count; ++i) {
      auto& connection = *static_cast<Connection*>(events[i].data.ptr);
      if (!connection.read_some()) continue;
      now = SteadyClock::now();
      if (!connection.answer_is_right() && wrong++ == 0)
        fmt::print(stderr, "load: wrong answer: {}\n", connection.answer().substr(0, 400));
      if (now >= measured_from)
        latencies.push_back(static_cast<std::uint32_t>((now - connection.sent_at).count() / 100));
      connection.forget_answer();
      connection.send_call(next_id++);
    }
    if (!announced && now >= measured_from) {
      announced = true;  // the caller reads CPU times from here …
      fmt::print("begin\n");
      std::fflush(stdout);
    }
  }
  // … to here.
  const double took = std::chrono::duration<double>(SteadyClock::now() - measured_from).count();
  const std::size_t requests = latencies.size();
  fmt::print(R"({{"requests":{},"seconds":{:.3f},"per_second":{:.0f},"p50_us":{:.1f},"p99_us":{:.1f},"wrong":{}}})"
             "\n",
             requests, took, static_cast<double>(requests) / took, percentile(latencies, 0.5),
             percentile(latencies, 0.99), wrong);
  return wrong == 0 ? 0 : 1;
}
