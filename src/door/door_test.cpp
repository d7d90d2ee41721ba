// The whole door with real listeners and threads, and a fake engine in a thread of its own.
#include "door/door.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <atomic>
#include <thread>

#include "door/test_bench.hpp"

namespace clawql::door::test {
namespace {

os::Fd listen_on_loopback(std::uint16_t& port) {
  os::Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  EXPECT_EQ(::listen(fd.get(), 100), 0);
  socklen_t length = sizeof address;
  EXPECT_EQ(::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &length), 0);
  port = ntohs(address.sin_port);
  return fd;
}

os::Fd connect_to(std::uint16_t port) {
  os::Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) fd.reset();
  return fd;
}

// Until the answer's last byte `end_mark` came, the end, or 10 s.
std::string ask(int fd, std::string_view request, std::string_view end_mark) {
  EXPECT_EQ(::send(fd, request.data(), request.size(), MSG_NOSIGNAL), static_cast<ssize_t>(request.size()));
  std::string text;
  char room[4096];
  pollfd waiting{fd, POLLIN, 0};
  while (!has(text, end_mark) && ::poll(&waiting, 1, 10'000) == 1) {
    const ssize_t size = ::recv(fd, room, sizeof room, 0);
    if (size <= 0) break;
    text.append(room, static_cast<std::size_t>(size));
  }
  return text;
}

// Answers every request with its own body, from a loop of its own.
class EchoEngine final : public ipc::EngineChannel::Handler {
 public:
  explicit EchoEngine(std::vector<os::Fd> channels) : loop_(clock_) {
    for (os::Fd& fd : channels) channels_.push_back(std::make_unique<ipc::EngineChannel>(loop_, std::move(fd), *this));
    thread_ = std::thread([this] { loop_.run(); });
  }
  ~EchoEngine() {
    loop_.stop();
    thread_.join();
  }
  std::atomic<int> served{0};

 private:
  struct Nobody final : ipc::EngineStreamHandler {
    void on_body(std::string_view) override {}
    void on_end() override {}
    void on_cancel() override {}
  };
  ipc::EngineStreamHandler& on_open(ipc::EngineChannel& channel, ipc::StreamId stream, const ipc::Open& open) override {
    ++served;
    channel.head(stream, {200, ipc::ContentType::json, open.first_body.size(), {}});
    channel.data(stream, open.first_body);
    channel.end(stream);
    return nobody_;
  }
  void on_refusals(const std::vector<ipc::RefusalCount>&) override {}
  void on_closed(Error) override {}

  base::SystemClock clock_;
  io::Loop loop_;
  Nobody nobody_;
  std::vector<std::unique_ptr<ipc::EngineChannel>> channels_;
  std::thread thread_;
};

struct WholeDoor {
  explicit WholeDoor(std::uint32_t threads)
      : logger(2, base::Logger::Format::json, "door", clock, base::Level::error), loop(clock) {
    settings.threads = threads;
    settings.listeners = {{1, "tcp", "127.0.0.1", true}};
    settings.config_path = "/etc/clawql/clawql.yaml";
    auto made = Door::make(loop, logger, settings);
    EXPECT_TRUE(made.has_value());
    door = *std::move(made);
    EXPECT_TRUE(door->add_listener(1, listen_on_loopback(port)).has_value());
    std::vector<os::Fd> ends;
    for (std::uint32_t i = 0; i < threads; ++i) {
      auto pair = ipc::make_channel_pair();
      EXPECT_TRUE(door->add_channel(i, 0, std::move(pair->first)).has_value());
      ends.push_back(std::move(pair->second));
    }
    engine.emplace(std::move(ends));
    door->start();
    runner = std::thread([this] { loop.run(); });
  }
  ~WholeDoor() {
    loop.stop();
    runner.join();
    door.reset();
  }
  // Runs `task` on the first loop and waits for it.
  void on_loop(std::function<void()> task) {
    std::atomic<bool> done = false;
    loop.post([&] {
      task();
      done = true;
      done.notify_all();
    });
    done.wait(false);
  }

  base::SystemClock clock;
  base::Logger logger;
  io::Loop loop;
  ipc::DoorSettings settings;
  std::uint16_t port = 0;
  std::unique_ptr<Door> door;
  std::optional<EchoEngine> engine;
  std::thread runner;
};

class DoorThreads : public ::testing::TestWithParam<std::uint32_t> {};
INSTANTIATE_TEST_SUITE_P(OneAndTwo, DoorThreads, ::testing::Values(1U, 2U));

TEST_P(DoorThreads, many_clients_each_get_their_own_answers) {
  WholeDoor whole(GetParam());
  std::vector<std::thread> clients;
  clients.reserve(8);
  std::atomic<int> right{0};
  for (int c = 0; c < 8; ++c)
    clients.emplace_back([&, c] {
      const os::Fd fd = connect_to(whole.port);
      for (int i = 0; i < 50; ++i) {
        const std::string body = "[" + std::to_string(c) + "," + std::to_string(i) + "]";
        if (body_of(ask(fd.get(), post(body), body)) == body) ++right;
      }
    });
  for (auto& client : clients) client.join();
  EXPECT_EQ(right, 400);
  EXPECT_EQ(whole.engine->served, 400);
}

TEST_P(DoorThreads, a_reload_changes_what_is_allowed_without_dropping_connections) {
  WholeDoor whole(GetParam());
  std::vector<os::Fd> clients;
  clients.reserve(4);
  for (int i = 0; i < 4; ++i) clients.push_back(connect_to(whole.port));
  for (auto& client : clients) EXPECT_EQ(status_of(ask(client.get(), get("/healthz"), "}")), 200);
  whole.on_loop([&] {
    whole.settings.allowed_hosts = {"*"};
    EXPECT_FALSE(whole.door->apply(whole.settings).has_value());
    whole.settings.allowed_hosts = {"gw.example"};
    EXPECT_TRUE(whole.door->apply(whole.settings).has_value());
  });
  const std::string request = "GET /healthz HTTP/1.1\r\nHost: gw.example\r\n\r\n";
  for (auto& client : clients) {
    // Another loop takes the new settings a moment later; a refused client says so and is replaced.
    std::string answer = ask(client.get(), request, "}");
    for (int tries = 0; status_of(answer) == 403 && tries < 1000; ++tries) {
      client = connect_to(whole.port);
      answer = ask(client.get(), request, "}");
    }
    EXPECT_EQ(status_of(answer), 200);
  }
}

TEST_P(DoorThreads, a_drained_door_accepts_nobody_and_says_when_it_is_empty) {
  WholeDoor whole(GetParam());
  const os::Fd client = connect_to(whole.port);
  EXPECT_EQ(status_of(ask(client.get(), get("/healthz"), "}")), 200);
  std::atomic<bool> drained = false;
  whole.loop.post([&] {
    whole.door->drain([&] {
      drained = true;
      drained.notify_all();
    });
  });
  drained.wait(false);
  EXPECT_FALSE(connect_to(whole.port));
}

TEST(Door, settings_it_cannot_keep_are_an_error) {
  base::SystemClock clock;
  io::Loop loop(clock);
  base::Logger logger(2, base::Logger::Format::json, "door", clock, base::Level::error);
  const auto refused = [&](const auto& change) {
    ipc::DoorSettings settings;
    change(settings);
    return !Door::make(loop, logger, settings).has_value();
  };
  EXPECT_FALSE(refused([](auto&) {}));
  EXPECT_TRUE(refused([](auto& settings) { settings.allowed_hosts = {"*.example"}; }));
  EXPECT_TRUE(refused([](auto& settings) { settings.allowed_origins = {"*"}; }));
  EXPECT_TRUE(refused([](auto& settings) { settings.threads = 0; }));
  EXPECT_TRUE(refused([](auto& settings) { settings.engine_shards = 257; }));
  EXPECT_TRUE(refused([](auto& settings) { settings.listeners = {{1, "udp", "x", true}}; }));
  EXPECT_TRUE(refused([](auto& settings) { settings.listeners = {{1, "tcp", "x", true}, {1, "tcp", "y", true}}; }));
}

}  // namespace
}  // namespace clawql::door::test
