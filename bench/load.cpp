// A load generator for MCP over HTTP: N kept-alive connections, one request in flight on each, every request with an id
// of its own that must come back. For each line on its input, a number of seconds, it loads so long and prints one line
// of JSON.
//
//   load --port 8080 [--path /mcp] [--connections 64] [--sessions N] [--tool NAME[,NAME…]] [--arguments JSON]
//        [--plain] [--host-header localhost:8080] [--version 2025-11-25]
//
// --plain: no MCP session, just POST the call (for servers that answer a constant). --sessions: the requests of the
// connections go round them all; without it each connection has one. --version 2026-07-28: requests without session.
#include <fmt/format.h>
#include <sys/epoll.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "http_client.hpp"

namespace clawql::bench {
namespace {

struct Options {
  unsigned connections = 64;
  std::size_t sessions = 0;  // 0: one for each connection
  std::vector<std::string> tools{"clawql__cache"};
  std::string arguments = R"({"operation":"get","key":"bench"})";
};

std::vector<std::string> split(std::string_view text) {
  std::vector<std::string> parts;
  for (std::size_t comma = text.find(','); comma != std::string_view::npos; comma = text.find(',')) {
    parts.emplace_back(text.substr(0, comma));
    text.remove_prefix(comma + 1);
  }
  parts.emplace_back(text);
  return parts;
}

bool set(Options& options, std::string_view key, const std::string& value) {
  if (key == "--connections")
    options.connections = static_cast<unsigned>(std::stoul(value));
  else if (key == "--sessions")
    options.sessions = std::stoul(value);
  else if (key == "--tool")
    options.tools = split(value);
  else if (key == "--arguments")
    options.arguments = value;
  else
    return false;
  return true;
}

double percentile(std::vector<std::uint32_t>& microseconds_x10, double p) {
  if (microseconds_x10.empty()) return 0;
  const auto at = static_cast<std::ptrdiff_t>(static_cast<double>(microseconds_x10.size() - 1) * p);
  std::nth_element(microseconds_x10.begin(), microseconds_x10.begin() + at, microseconds_x10.end());
  return microseconds_x10[static_cast<std::size_t>(at)] / 10.0;
}

class Load {
 public:
  Load(const Peer& peer, const Options& options) : peer_(peer), options_(options) {
    callers_.reserve(options.connections);
    poll_ = ::epoll_create1(EPOLL_CLOEXEC);
    for (unsigned i = 0; i < options.connections; ++i) {
      Caller& caller = callers_.emplace_back(Connection(peer));
      epoll_event event{.events = EPOLLIN, .data = {.ptr = &caller}};
      ::epoll_ctl(poll_, EPOLL_CTL_ADD, caller.connection.fd(), &event);
    }
    open_sessions();
    run(0);  // a call each: a connection that asks for nothing is closed after limits.headerSeconds
  }

  void round(double seconds) {
    latencies_.clear();
    wrong_ = 0;
    report(run(seconds));
  }

 private:
  struct Caller {
    Connection connection;
    std::string id_text{};
    SteadyClock::time_point sent_at{};
  };

  // At least a call on each connection. Returns the seconds that it took.
  double run(double seconds) {
    const auto begin = SteadyClock::now();
    const auto until =
        begin + std::chrono::duration_cast<SteadyClock::duration>(std::chrono::duration<double>(seconds));
    for (Caller& caller : callers_) send_call(caller);
    for (std::size_t in_flight = callers_.size(); in_flight > 0;) {
      epoll_event events[256];
      const int count = ::epoll_wait(poll_, events, 256, 5000);
      if (count == 0) die("no answer for five seconds");
      for (int i = 0; i < count; ++i) {
        auto& caller = *static_cast<Caller*>(events[i].data.ptr);
        if (!caller.connection.read_some()) continue;
        answered(caller);
        if (SteadyClock::now() < until)
          send_call(caller);
        else
          --in_flight;
      }
    }
    return std::chrono::duration<double>(SteadyClock::now() - begin).count();
  }

  void open_sessions() {
    if (peer_.plain || peer_.is_modern()) return;
    const std::size_t count = options_.sessions == 0 ? callers_.size() : options_.sessions;
    for (std::size_t i = 0; i < count; ++i)
      sessions_.push_back(callers_[i % callers_.size()].connection.open_session());
  }

  void send_call(Caller& caller) {
    const std::uint64_t id = next_id_++;
    const std::string& tool = options_.tools[id % options_.tools.size()];
    caller.id_text = fmt::format("\"id\":{}", id);
    const std::string body =
        request_body(peer_, id, "tools/call", fmt::format(R"("name":"{}","arguments":{})", tool, options_.arguments));
    if (peer_.is_modern())
      caller.connection.post(modern_fields("tools/call", tool), body);
    else
      caller.connection.post(sessions_.empty() ? std::string() : sessions_[id % sessions_.size()], body);
    caller.sent_at = SteadyClock::now();
  }

  void answered(Caller& caller) {
    const std::string& answer = caller.connection.answer();
    const bool right =
        peer_.plain || (answer.compare(9, 3, "200") == 0 && answer.find(caller.id_text) != std::string::npos &&
                        answer.find("\"error\"") == std::string::npos);
    if (!right && wrong_++ == 0) fmt::print(stderr, "load: wrong answer: {}\n", answer.substr(0, 400));
    latencies_.push_back(static_cast<std::uint32_t>((SteadyClock::now() - caller.sent_at).count() / 100));
    caller.connection.forget_answer();
  }

  void report(double took) {
    const std::size_t requests = latencies_.size();
    fmt::print(R"({{"requests":{},"seconds":{:.3f},"per_second":{:.0f},"p50_us":{:.1f},"p99_us":{:.1f},"wrong":{}}})"
               "\n",
               requests, took, static_cast<double>(requests) / took, percentile(latencies_, 0.5),
               percentile(latencies_, 0.99), wrong_);
  }

  const Peer& peer_;
  const Options& options_;
  int poll_ = -1;
  std::vector<Caller> callers_;
  std::vector<std::string> sessions_;  // their header fields
  std::uint64_t next_id_ = 1, wrong_ = 0;
  std::vector<std::uint32_t> latencies_;
};

}  // namespace
}  // namespace clawql::bench

int main(int argc, char** argv) {
  using namespace clawql::bench;
  Options options;
  const Peer peer = read_options(
      argc, argv, [&](std::string_view key, const std::string& value) { return set(options, key, value); });
  Load load(peer, options);
  run_rounds([&](double seconds) { load.round(seconds); });
}
