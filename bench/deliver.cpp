// How notifications of one server come to many subscribers: N event streams that subscribe to one resource, and a
// connection that calls a tool which makes the server say that it changed. A call follows when all that came of the
// last one is here. For each line on its input, a number of seconds, it goes on so long and prints one line of JSON;
// what it counts as requests are deliveries.
//
//   deliver --port 8080 [--subscribers 1] [--updates 1: of one call] [--tool echo__update] [--uri bench://news]
//           [--version 2025-11-25]
//
// Handshake era: a session each, resources/subscribe and a GET stream. --version 2026-07-28: a subscriptions/listen
// each.
#include <fmt/format.h>
#include <sys/epoll.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "http_client.hpp"

namespace clawql::bench {
namespace {

struct Options {
  std::size_t subscribers = 1, updates = 1;
  std::string tool = "echo__update", uri = "bench://news";
};

bool set(Options& options, std::string_view key, const std::string& value) {
  if (key == "--subscribers")
    options.subscribers = std::stoul(value);
  else if (key == "--updates")
    options.updates = std::stoul(value);
  else if (key == "--tool")
    options.tool = value;
  else if (key == "--uri")
    options.uri = value;
  else
    return false;
  return true;
}

class Delivery {
 public:
  Delivery(const Peer& peer, const Options& options) : peer_(peer), options_(options), trigger_(peer) {
    if (!peer.is_modern()) fields_ = trigger_.open_session();
    poll_ = ::epoll_create1(EPOLL_CLOEXEC);
    streams_.reserve(options.subscribers);
    for (std::size_t i = 0; i < options.subscribers; ++i) {
      Stream& stream = streams_.emplace_back(Connection(peer));
      if (peer.is_modern())
        listen(stream.connection);
      else
        subscribe(stream.connection);
      epoll_event event{.events = EPOLLIN, .data = {.ptr = &stream}};
      ::epoll_ctl(poll_, EPOLL_CTL_ADD, stream.connection.fd(), &event);
    }
  }

  void round(double seconds) {
    const auto begin = SteadyClock::now();
    const auto until =
        begin + std::chrono::duration_cast<SteadyClock::duration>(std::chrono::duration<double>(seconds));
    std::size_t calls = 0;
    for (; SteadyClock::now() < until; ++calls) once();
    const double took = std::chrono::duration<double>(SteadyClock::now() - begin).count();
    const std::size_t deliveries = calls * options_.updates * streams_.size();
    fmt::print(R"({{"requests":{},"calls":{},"seconds":{:.3f},"per_second":{:.0f},"wrong":0}})"
               "\n",
               deliveries, calls, took, static_cast<double>(deliveries) / took);
  }

 private:
  struct Stream {
    Connection connection;
    std::size_t due = 0;
  };

  void subscribe(Connection& stream) {
    const std::string fields = stream.open_session();
    stream.post(fields, request_body(peer_, 1, "resources/subscribe", fmt::format(R"("uri":"{}")", options_.uri)));
    stream.wait_for_answer();
    stream.get(fields);
    stream.wait_for_event_stream();
  }

  void listen(Connection& stream) {
    stream.post(modern_fields("subscriptions/listen", ""),
                request_body(peer_, 1, "subscriptions/listen",
                             fmt::format(R"("notifications":{{"resourceSubscriptions":["{}"]}})", options_.uri)));
    stream.wait_for_event_stream();
    while (stream.count_in_events("subscriptions/acknowledged") == 0) stream.read();
  }

  // One call, and all that comes of it.
  void once() {
    const std::string body =
        request_body(peer_, next_id_++, "tools/call",
                     fmt::format(R"("name":"{}","arguments":{{"times":{}}})", options_.tool, options_.updates));
    trigger_.post(peer_.is_modern() ? modern_fields("tools/call", options_.tool) : fields_, body);
    for (Stream& stream : streams_) stream.due = options_.updates;
    for (std::size_t waiting = streams_.size(); waiting > 0;) {
      epoll_event events[256];
      const int count = ::epoll_wait(poll_, events, 256, 5000);
      if (count == 0) die(fmt::format("{} streams wait for more than five seconds", waiting));
      for (int i = 0; i < count; ++i) {
        auto& stream = *static_cast<Stream*>(events[i].data.ptr);
        stream.connection.read();
        const std::size_t came = stream.connection.count_in_events("resources/updated");
        if (came > stream.due) die("a notification came twice");
        stream.due -= came;
        if (came > 0 && stream.due == 0) --waiting;
      }
    }
    if (trigger_.wait_for_answer().find("\"error\"") != std::string::npos) die("the call failed: " + trigger_.answer());
  }

  const Peer& peer_;
  const Options& options_;
  Connection trigger_;
  std::string fields_;
  int poll_ = -1;
  std::uint64_t next_id_ = 1;
  std::vector<Stream> streams_;
};

}  // namespace
}  // namespace clawql::bench

int main(int argc, char** argv) {
  using namespace clawql::bench;
  Options options;
  const Peer peer = read_options(
      argc, argv, [&](std::string_view key, const std::string& value) { return set(options, key, value); });
  Delivery delivery(peer, options);
  run_rounds([&](double seconds) { delivery.round(seconds); });
}
