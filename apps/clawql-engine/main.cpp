// clawql-engine: executes tools and keeps what agents must not see. Started by the supervisor with fd 3 as its control
// line and nothing else open; it takes its settings, its audit file and its channels to the door from there, locks
// itself down, and serves until that line ends. It has no listener and starts no process: servers are asked for by
// name. Each of its shards has a thread; this one is the first's.
#include <fmt/format.h>
#include <openssl/crypto.h>

#include <memory>
#include <string_view>
#include <vector>

#include "base/log.hpp"
#include "engine/audit/audit.hpp"
#include "engine/mcp/random.hpp"
#include "engine/shards/engine.hpp"
#include "io/loop.hpp"
#include "ipc/control.hpp"
#include "ipc/settings.hpp"
#include "os/lockdown.hpp"
#include "os/process.hpp"

namespace clawql {
namespace {

constexpr int kControlFd = 3;
constexpr int kRefused = 1;
constexpr int kUsage = 2;

class Program final : private ipc::ControlSocket::Handler, private engine::shards::Engine::Supervisor {
 public:
  explicit Program(base::Logger::Format format)
      : logger_(2, format, "clawql-engine", clock_), loop_(clock_), control_(loop_, os::Fd(kControlFd), *this) {}

  int run() {
    loop_.run();
    return exit_code_;
  }

 private:
  void on_message(ipc::ControlMessage message) override {
    const Status done = take(message);
    if (done) return;
    logger_.error("engine.stopped", {{"error", done.error().message}, {"message", ipc::name(message.kind)}});
    stop_program(kRefused);
  }

  // The supervisor is gone, or has said all it had to say: nothing of ours outlives it.
  void on_closed(Error) override { stop_program(0); }

  void stop_program(int code) {
    exit_code_ = code;
    loop_.stop();
  }

  Status take(ipc::ControlMessage& message) {
    switch (message.kind) {
      case ipc::Control::settings: return take_settings(message);
      case ipc::Control::channel: return take_channel(message);
      case ipc::Control::audit_file: return take_audit_file(message);
      case ipc::Control::server_started: return take_server(message);
      case ipc::Control::server_exited: return take_exit(message);
      case ipc::Control::admin_answer: return take_admin_answer(message);
      case ipc::Control::exposure: return take_exposure(message);
      case ipc::Control::start: return start();
      case ipc::Control::drain: return drain();
      case ipc::Control::ping: control_.send(ipc::Control::pong); return {};
      case ipc::Control::listener:
      case ipc::Control::close_listener:
      case ipc::Control::ready:
      case ipc::Control::pong:
      case ipc::Control::drained:
      case ipc::Control::server_start:
      case ipc::Control::server_stop:
      case ipc::Control::server_restart:
      case ipc::Control::next_audit_file:
      case ipc::Control::admin: break;
    }
    return fail("the supervisor sent a message that is not for the engine");
  }

  // The same message starts and reloads.
  Status take_settings(const ipc::ControlMessage& message) {
    CLAWQL_CHECKED(expect_fds(message, 1));
    CLAWQL_TRY(const std::string text, ipc::read_payload_fd(message.fds[0].get()));
    CLAWQL_TRY(const auto settings, ipc::from_json<ipc::EngineSettings>(text));
    if (engine_ == nullptr) {
      CLAWQL_TRY(engine_, engine::shards::Engine::make({loop_, logger_, registry_, *this}, settings));
      return {};
    }
    // The supervisor refuses a reload that changes it.
    if (settings.shards != engine_->shards()) return fail("the number of shards changed");
    engine_->apply(settings);
    logger_.info("engine.reloaded", {{"generation", settings.generation}});
    return {};
  }

  Status take_channel(ipc::ControlMessage& message) {
    CLAWQL_CHECKED(expect_fds(message, 1));
    if (engine_ == nullptr) return fail("a channel came before the settings");
    CLAWQL_TRY(const auto what, ipc::from_json<ipc::ChannelMessage>(message.payload));
    if (started_) return engine_->add_channel(what.shard, std::move(message.fds[0]));
    // Read from `start` on: no foreign byte before the lock-down.
    expected_.push_back(message.fds[0].get());
    channels_.push_back({what.shard, std::move(message.fds[0])});
    return {};
  }

  Status take_audit_file(ipc::ControlMessage& message) {
    CLAWQL_CHECKED(expect_fds(message, 1));
    if (engine_ == nullptr) return fail("an audit file came before the settings");
    if (!started_) expected_.push_back(message.fds[0].get());
    engine_->set_audit_file(std::move(message.fds[0]));
    return {};
  }

  Status take_server(ipc::ControlMessage& message) {
    CLAWQL_CHECKED(expect_fds(message, 3));
    CLAWQL_TRY(const auto what, ipc::from_json<ipc::ServerMessage>(message.payload));
    if (!started_) return fail("a server was started before us");
    engine_->server_started(what.name, {.instance = what.instance,
                                        .incarnation = what.incarnation,
                                        .to_server = std::move(message.fds[0]),
                                        .from_server = std::move(message.fds[1]),
                                        .errors = std::move(message.fds[2])});
    return {};
  }

  Status take_exit(const ipc::ControlMessage& message) {
    CLAWQL_TRY(const auto what, ipc::from_json<ipc::ServerExited>(message.payload));
    if (!started_) return fail("a server exited before the start");
    engine_->server_exited(what);
    return {};
  }

  Status take_admin_answer(const ipc::ControlMessage& message) {
    CLAWQL_TRY(const auto answer, ipc::from_json<ipc::AdminAnswer>(message.payload));
    if (engine_ != nullptr) engine_->admin_answer(answer);
    return {};
  }

  Status take_exposure(const ipc::ControlMessage& message) {
    if (engine_ == nullptr) return fail("exposure came before the settings");
    CLAWQL_TRY(const auto what, ipc::from_json<ipc::ExposureMessage>(message.payload));
    engine_->exposure(what);
    return {};
  }

  // The last moment before the first foreign byte.
  Status start() {
    if (engine_ == nullptr || started_) return fail("start came out of order");
    started_ = true;
    CLAWQL_TRY(const os::LockdownReport report, os::lock_down(os::Role::engine, expected_));
    ipc::ReadyMessage ready;
    for (const os::LayerReport& layer : report.layers)
      ready.layers.push_back({layer.name, layer.in_force, layer.detail});
    for (auto& [shard, channel] : channels_) CLAWQL_CHECKED(engine_->add_channel(shard, std::move(channel)));
    channels_.clear();
    control_.send(ipc::Control::ready, ipc::to_json(ready));
    engine_->start();
    return {};
  }

  Status drain() {
    if (!started_) return fail("drain came before start");
    engine_->drain();
    return {};
  }

  static Status expect_fds(const ipc::ControlMessage& message, std::size_t count) {
    if (message.fds.size() == count) return {};
    return fail(fmt::format("{} came with {} descriptors", ipc::name(message.kind), message.fds.size()));
  }

  // engine::shards::Engine::Supervisor
  void start(std::string_view server, std::uint64_t instance) override {
    ask(ipc::Control::server_start, server, instance);
  }
  void stop(std::string_view server, std::uint64_t instance) override {
    ask(ipc::Control::server_stop, server, instance);
  }
  void restart(std::string_view server, std::uint64_t instance) override {
    ask(ipc::Control::server_restart, server, instance);
  }
  void ask(ipc::Control what, std::string_view server, std::uint64_t instance) {
    control_.send(what, ipc::to_json(ipc::ServerMessage{.name = std::string(server), .instance = instance}));
  }
  void admin(const ipc::AdminRequest& request) override { control_.send(ipc::Control::admin, ipc::to_json(request)); }
  void drained() override { control_.send(ipc::Control::drained); }
  void need_audit_file() override { control_.send(ipc::Control::next_audit_file); }

  base::SystemClock clock_;
  base::Logger logger_;
  io::Loop loop_;
  telemetry::Registry registry_;
  ipc::ControlSocket control_;
  std::unique_ptr<engine::shards::Engine> engine_;
  struct EarlyChannel {
    std::uint32_t shard;
    os::Fd socket;
  };
  std::vector<EarlyChannel> channels_;  // until start
  std::vector<int> expected_{0, 1, 2, kControlFd};
  bool started_ = false;
  int exit_code_ = 0;
};

// What OpenSSL opens or loads on first use must have happened before the lock-down (DECISIONS, "Lock-down").
Status warm_up_crypto() {
  if (OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, nullptr) != 1) return fail("OpenSSL could not be initialised");
  (void)engine::audit::sha256_hex("warm");
  CLAWQL_TRY(const auto bytes, engine::mcp::random_bytes());
  (void)bytes;
  return {};
}

int run(int argc, char** argv) {
  auto format = base::Logger::Format::json;
  const std::vector<std::string_view> arguments(argv + 1, argv + argc);
  if (arguments.size() == 2 && arguments[0] == "--log-format" && arguments[1] == "human") {
    format = base::Logger::Format::human;
  } else if (!arguments.empty() &&
             !(arguments.size() == 2 && arguments[0] == "--log-format" && arguments[1] == "json")) {
    fmt::print(stderr, "clawql-engine is started by clawql-api; it takes --log-format json|human alone\n");
    return kUsage;
  }
  if (const Status ready = warm_up_crypto(); !ready) {
    fmt::print(stderr, "clawql-engine: {}\n", ready.error().message);
    return kRefused;
  }
  os::give_back_large_blocks();
  return Program(format).run();
}

}  // namespace
}  // namespace clawql

int main(int argc, char** argv) {
  return clawql::run(argc, argv);
}
