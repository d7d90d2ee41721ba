// What one call of a built-in tool costs our own code: a door and an engine in this one process, with socketpairs for
// clients, so that the numbers do not depend on what else the machine does. Prints allocations a call for each program;
// instructions come from valgrind, which counts `measured_calls` alone:
//
//   bench_call_cost [calls]
//   valgrind --tool=callgrind --toggle-collect='*measured_calls*' bench_call_cost 2000
//
// Not a part of the product: it trusts its peer's grammar as far as a benchmark may.
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.hpp"
#include "door/door_loop.hpp"
#include "engine/shards/engine.hpp"
#include "ipc/control.hpp"

namespace {
std::uint64_t g_allocations = 0;  // of the whole process: operator new has nowhere else to count
}  // namespace

void* operator new(std::size_t size) {
  ++g_allocations;
  if (void* memory = std::malloc(size)) return memory;
  std::abort();
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}

namespace clawql::bench {
namespace {

constexpr std::size_t kClients = 16;  // about what one turn of a busy loop finds ready
constexpr std::string_view kHead =
    "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    "Accept: application/json, text/event-stream\r\n";

class NoSupervisor final : public engine::shards::Engine::Supervisor {
  void start(std::string_view, std::uint64_t) override {}
  void stop(std::string_view, std::uint64_t) override {}
  void restart(std::string_view, std::uint64_t) override {}
  void admin(const ipc::AdminRequest&) override {}
  void drained() override {}
  void need_audit_file() override {}
};

class Rig {
 public:
  Rig() : door_(door_loop_, log_, snapshot(), 1, 1) {
    ipc::EngineSettings settings;
    settings.listeners = {{.id = 1, .kind = "tcp", .label = "127.0.0.1:8080", .local = true}};
    settings.audit.file_bytes = ~std::uint64_t{0};
    auto engine = engine::shards::Engine::make({engine_loop_, log_, registry_, supervisor_}, settings);
    CLAWQL_CHECK(engine.has_value());
    engine_ = std::move(*engine);
    engine_->set_audit_file(os::Fd(::memfd_create("audit", MFD_CLOEXEC)));
    auto channel = ipc::make_channel_pair();
    CLAWQL_CHECK(channel.has_value());
    door_.attach(0, std::move(channel->first));
    CLAWQL_CHECK(engine_->add_channel(0, std::move(channel->second)).has_value());
    engine_->start();
    for (std::size_t i = 0; i < kClients; ++i) clients_.push_back(connect());
    const std::string session = open_session();
    for (std::size_t i = 0; i < kClients; ++i)
      calls_.push_back(request(
          fmt::format(
              R"({{"jsonrpc":"2.0","id":{},"method":"tools/call","params":{{"name":"clawql__cache","arguments":{{"operation":"get","key":"bench"}}}}}})",
              1000 + i),
          fmt::format("Mcp-Session-Id: {}\r\nMCP-Protocol-Version: 2025-11-25\r\n", session)));
  }

  // One call of each client.
  void round() {
    for (std::size_t i = 0; i < kClients; ++i) send(i, calls_[i]);
    turn();
    for (std::size_t i = 0; i < kClients; ++i) CLAWQL_CHECK(receive(i).starts_with("HTTP/1.1 200"));
  }
  std::uint64_t door_allocations = 0, engine_allocations = 0;

 private:
  static std::shared_ptr<const door::Snapshot> snapshot() {
    auto allow = door::AllowList::make({}, std::nullopt, {});
    CLAWQL_CHECK(allow.has_value());
    return std::make_shared<const door::Snapshot>(door::Snapshot{*allow, {}});
  }

  os::Fd connect() {
    int ends[2];
    CLAWQL_CHECK(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    ipc::Peer peer{.kind = ipc::Peer::Kind::tcp, .port = 51234};
    peer.address = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 127, 0, 0, 1};
    door_.adopt(os::Fd(ends[0]), listener_, peer);
    return os::Fd(ends[1]);
  }

  static std::string request(std::string_view body, std::string_view fields) {
    return fmt::format("{}{}Content-Length: {}\r\n\r\n{}", kHead, fields, body.size(), body);
  }

  void send(std::size_t client, std::string_view bytes) {
    CLAWQL_CHECK(::write(clients_[client].get(), bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
  }
  std::string_view receive(std::size_t client) {
    const ssize_t size = ::read(clients_[client].get(), room_.data(), room_.size());
    CLAWQL_CHECK(size > 0);
    return {room_.data(), static_cast<std::size_t>(size)};
  }

  // Until neither program has anything left to do.
  void turn() {
    for (bool busy = true; busy;) {
      const std::uint64_t before = g_allocations;
      busy = door_loop_.poll() > 0;
      door_allocations += g_allocations - before;
      const std::uint64_t between = g_allocations;
      busy = engine_loop_.poll() > 0 || busy;
      engine_allocations += g_allocations - between;
    }
  }

  std::string open_session() {
    constexpr std::string_view kField = "Mcp-Session-Id: ";
    send(0, request(R"({"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25",)"
                    R"("capabilities":{},"clientInfo":{"name":"bench","version":"1"}}})",
                    ""));
    turn();
    const std::string_view answer = receive(0);
    const std::size_t begin = answer.find(kField) + kField.size();
    std::string session(answer.substr(begin, answer.find('\r', begin) - begin));
    return session;
  }

  base::SystemClock clock_;
  os::Fd log_file_{::memfd_create("log", MFD_CLOEXEC)};
  base::Logger log_{log_file_.get(), base::Logger::Format::json, "bench", clock_};
  telemetry::Registry registry_;
  NoSupervisor supervisor_;
  io::Loop door_loop_{clock_}, engine_loop_{clock_};
  std::shared_ptr<const door::Listener> listener_ =
      std::make_shared<const door::Listener>(door::Listener{1, door::Listener::Kind::tcp, true, "127.0.0.1:8080"});
  door::DoorLoop door_;
  std::unique_ptr<engine::shards::Engine> engine_;
  std::vector<os::Fd> clients_;
  std::vector<std::string> calls_;
  std::string room_ = std::string(64U << 10, '\0');
};

[[gnu::noinline]] void measured_calls(Rig& rig, std::size_t rounds) {
  for (std::size_t i = 0; i < rounds; ++i) rig.round();
}

int run(std::size_t calls) {
  Rig rig;
  measured_calls(rig, 100);  // buffers grow to their size
  rig.door_allocations = rig.engine_allocations = 0;
  const std::size_t rounds = calls / kClients;
  measured_calls(rig, rounds);
  const auto each = [&](std::uint64_t count) {
    return static_cast<double>(count) / static_cast<double>(rounds * kClients);
  };
  fmt::print("allocations a call: door {:.2f}, engine {:.2f}\n", each(rig.door_allocations),
             each(rig.engine_allocations));
  return 0;
}

}  // namespace
}  // namespace clawql::bench

int main(int argc, char** argv) {
  return clawql::bench::run(argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 16'000);
}
