// For this room's tests: a DoorLoop with a fake clock, clients that are socketpairs, and a fake engine at the other end
// of a real channel. Everything runs in one thread by settle(); nothing sleeps.
#pragma once

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.hpp"
#include "base/clock.hpp"
#include "base/decimal.hpp"
#include "base/log.hpp"
#include "door/door_loop.hpp"
#include "io/loop.hpp"
#include "ipc/channel.hpp"
#include "ipc/control.hpp"

namespace clawql::door::test {

// What the fake engine was told of one stream.
struct Seen final : ipc::EngineStreamHandler {
  ipc::EngineChannel* channel = nullptr;
  ipc::StreamId stream = 0;
  ipc::Route route{};
  ipc::Method method{};
  ipc::Peer peer;
  std::uint16_t listener = 0;
  bool has_body = false;
  bool accepts_json = false;
  bool accepts_event_stream = false;
  std::vector<std::pair<ipc::RequestField, std::string>> fields;
  std::string first_body;
  std::string body;  // all of it
  bool ended = false;
  bool cancelled = false;
  int half_closes = 0;
  bool head_sent = false;  // kept by tests that answer in rounds

  void on_body(std::string_view bytes) override { body += bytes; }
  void on_end() override { ended = true; }
  void on_cancel() override { cancelled = true; }
  void on_half_closed() override { ++half_closes; }

  std::optional<std::string> field(ipc::RequestField id) const {
    for (const auto& [name, value] : fields)
      if (name == id) return value;
    return std::nullopt;
  }
  void grant(std::uint32_t bytes) { channel->grant_body(stream, bytes); }
  void head(const ipc::Head& head) { channel->head(stream, head); }
  void data(std::string_view bytes) { channel->data(stream, bytes); }
  void end() { channel->end(stream); }
  void answer_json(std::string_view text) {
    head({200, ipc::ContentType::json, text.size(), {}});
    data(text);
    end();
  }
};

class FakeEngine final : public ipc::EngineChannel::Handler {
 public:
  FakeEngine(io::Loop& loop, os::Fd socket)
      : channel_(std::make_unique<ipc::EngineChannel>(loop, std::move(socket), *this)) {}

  std::vector<std::unique_ptr<Seen>> seen;
  std::map<int, std::uint64_t> refusals;  // by base::Reason
  std::string last_refused_value;
  bool lost = false;
  Seen& last() { return *seen.back(); }
  void die() { channel_.reset(); }

 private:
  ipc::EngineStreamHandler& on_open(ipc::EngineChannel& channel, ipc::StreamId stream, const ipc::Open& open) override {
    auto what = std::make_unique<Seen>();
    what->channel = &channel;
    what->stream = stream;
    what->route = open.route;
    what->method = open.method;
    what->peer = open.peer;
    what->listener = open.listener;
    what->has_body = open.has_body;
    what->accepts_json = open.accepts_json;
    what->accepts_event_stream = open.accepts_event_stream;
    for (const auto& [name, value] : open.fields) what->fields.emplace_back(name, value);
    what->first_body = what->body = open.first_body;
    seen.push_back(std::move(what));
    return *seen.back();
  }
  void on_refusals(const std::vector<ipc::RefusalCount>& counts) override {
    for (const auto& count : counts) {
      refusals[count.reason] += count.count;
      last_refused_value = count.last_value;
    }
  }
  void on_closed(Error) override { lost = true; }

  std::unique_ptr<ipc::EngineChannel> channel_;
};

// A client's end of a connection.
class FakeClient {
 public:
  explicit FakeClient(os::Fd fd) : fd_(std::move(fd)) {}
  void send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t size = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      if (size < 0) return;  // the door closed, or does not read: tests look at what it took
      bytes.remove_prefix(static_cast<std::size_t>(size));
    }
  }
  // As much as fits now.
  std::size_t send_some(std::string_view bytes) {
    const ssize_t size = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    return size < 0 ? 0 : static_cast<std::size_t>(size);
  }
  void half_close() { ::shutdown(fd_.get(), SHUT_WR); }
  void vanish() { fd_.reset(); }
  // What came since the last call; sees the end too.
  std::string read() {
    std::string text;
    char room[65536];
    for (;;) {
      const ssize_t size = ::recv(fd_.get(), room, sizeof room, MSG_DONTWAIT);
      if (size > 0) {
        text.append(room, static_cast<std::size_t>(size));
        continue;
      }
      if (size == 0 || (errno != EAGAIN && errno != EINTR)) ended_ = true;
      return text;
    }
  }
  // After read(): the door will send no more.
  bool ended() const { return ended_; }

 private:
  os::Fd fd_;
  bool ended_ = false;
};

inline base::Limits small_limits() {
  base::Limits limits;
  limits.connections_per_peer = 4;
  limits.connections = 6;
  limits.in_flight_peer = 2;
  limits.in_flight = 3;
  return limits;
}

class Bench {
 public:
  explicit Bench(const base::Limits& limits = {}, const std::vector<std::string>& hosts = {},
                 const std::optional<std::vector<std::string>>& origins = std::nullopt, std::uint32_t shards = 1)
      : log_(::memfd_create("log", MFD_CLOEXEC)),
        logger(log_.get(), base::Logger::Format::json, "door", clock),
        loop(clock) {
    rlimit files{};
    ::getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &files);
    auto allow = AllowList::make(hosts, origins, "/etc/clawql/clawql.yaml");
    EXPECT_TRUE(allow.has_value());
    door.emplace(loop, logger, std::make_shared<const Snapshot>(Snapshot{*allow, limits}), 1, shards);
    for (std::uint32_t i = 0; i < shards; ++i) engines.push_back(connect_engine(i));
    settle();
  }

  std::unique_ptr<FakeEngine> connect_engine(std::uint32_t shard) {
    auto pair = ipc::make_channel_pair();
    EXPECT_TRUE(pair.has_value());
    door->attach(shard, std::move(pair->first));
    return std::make_unique<FakeEngine>(loop, std::move(pair->second));
  }
  FakeEngine& engine() { return *engines.front(); }

  FakeClient connect(Listener::Kind kind = Listener::Kind::tcp, bool local = true, std::uint8_t address = 1) {
    int fds[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    ipc::Peer peer;
    if (kind == Listener::Kind::tcp) {
      peer.kind = ipc::Peer::Kind::tcp;
      peer.address = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 127, 0, 0, address};
      peer.port = 5555;
    } else {
      peer.uid = 1000;
      peer.pid = 77;
    }
    const std::uint16_t id = static_cast<std::uint16_t>(10 + static_cast<int>(kind));
    door->adopt(os::Fd(fds[0]), std::make_shared<const Listener>(Listener{id, kind, local, "127.0.0.1:8080"}), peer);
    return FakeClient(os::Fd(fds[1]));
  }

  // Until nothing more happens.
  void settle() {
    int quiet = 0;
    while (quiet < 3) quiet = loop.poll() == 0 ? quiet + 1 : 0;
  }
  void pass(base::Milliseconds time) {
    // In steps, so that deadlines set by deadlines come too.
    for (base::Milliseconds done{0}; done < time; done += base::Milliseconds(500)) {
      clock.advance(base::Milliseconds(500));
      settle();
    }
  }
  std::string exchange(FakeClient& client, std::string_view request) {
    client.send(request);
    settle();
    return client.read();
  }
  std::string log() const {
    std::string text(1 << 20, '\0');
    const ssize_t size = ::pread(log_.get(), text.data(), text.size(), 0);
    text.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
    return text;
  }
  std::uint64_t refused(base::Reason reason) const { return door->refusals().total(reason); }

  os::Fd log_;
  base::FakeClock clock;
  base::Logger logger;
  io::Loop loop;
  std::optional<DoorLoop> door;
  std::vector<std::unique_ptr<FakeEngine>> engines;
};

inline std::string post(std::string_view body, std::string_view more = {}) {
  std::string text =
      "POST /mcp HTTP/1.1\r\nHost: localhost:8080\r\nContent-Type: application/json\r\n"
      "Accept: application/json, text/event-stream\r\nContent-Length: ";
  text += std::to_string(body.size());
  text += "\r\n";
  text += more;
  text += "\r\n";
  text += body;
  return text;
}

inline std::string get(std::string_view path, std::string_view more = "Accept: text/event-stream\r\n") {
  std::string text = "GET ";
  text += path;
  text += " HTTP/1.1\r\nHost: localhost\r\n";
  text += more;
  text += "\r\n";
  return text;
}

inline int status_of(std::string_view answer) {
  return answer.starts_with("HTTP/1.1 ")
             ? static_cast<int>(base::parse_decimal<unsigned>(answer.substr(9, 3)).value_or(0))
             : 0;
}
inline std::string body_of(const std::string& answer) {
  const std::size_t end = answer.find("\r\n\r\n");
  return end == std::string::npos ? "" : answer.substr(end + 4);
}
inline bool has(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

}  // namespace clawql::door::test
