// clawql-door: hears clients. Started by the supervisor with fd 3 as its control line and nothing else open; it takes
// its settings, listening sockets and channels from there, locks itself down, and serves until that line ends.
#include <fmt/format.h>

#include <cstdlib>
#include <memory>
#include <string_view>
#include <vector>

#include "base/log.hpp"
#include "door/door.hpp"
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

class Program final : private ipc::ControlSocket::Handler {
 public:
  explicit Program(base::Logger::Format format)
      : logger_(2, format, "clawql-door", clock_), loop_(clock_), control_(loop_, os::Fd(kControlFd), *this) {}

  int run() {
    loop_.run();
    return exit_code_;
  }

 private:
  void on_message(ipc::ControlMessage message) override {
    const Status done = take(message);
    if (done) return;
    logger_.error("door.stopped", {{"error", done.error().message}, {"message", ipc::name(message.kind)}});
    stop(kRefused);
  }

  // The supervisor is gone, or has said all it had to say: nothing of ours outlives it.
  void on_closed(Error) override { stop(0); }

  void stop(int code) {
    exit_code_ = code;
    loop_.stop();
  }

  Status take(ipc::ControlMessage& message) {
    switch (message.kind) {
      case ipc::Control::settings: return take_settings(message);
      case ipc::Control::listener: return take_listener(message);
      case ipc::Control::close_listener: return close_listener(message);
      case ipc::Control::channel: return take_channel(message);
      case ipc::Control::start: return start();
      case ipc::Control::drain: return drain();
      case ipc::Control::ping: control_.send(ipc::Control::pong); return {};
      case ipc::Control::audit_file:
      case ipc::Control::server_started:
      case ipc::Control::server_exited:
      case ipc::Control::admin_answer:
      case ipc::Control::ready:
      case ipc::Control::pong:
      case ipc::Control::drained:
      case ipc::Control::server_start:
      case ipc::Control::server_stop:
      case ipc::Control::server_restart:
      case ipc::Control::next_audit_file:
      case ipc::Control::admin:
      case ipc::Control::exposure: break;
    }
    return fail("the supervisor sent a message that is not for the door");
  }

  static Status expect_fds(const ipc::ControlMessage& message, std::size_t count) {
    if (message.fds.size() == count) return {};
    return fail(fmt::format("{} came with {} descriptors", ipc::name(message.kind), message.fds.size()));
  }

  Status take_settings(ipc::ControlMessage& message) {
    CLAWQL_CHECKED(expect_fds(message, 1));
    CLAWQL_TRY(const std::string text, ipc::read_payload_fd(message.fds[0].get()));
    CLAWQL_TRY(const auto settings, ipc::from_json<ipc::DoorSettings>(text));
    if (door_ != nullptr) {
      CLAWQL_CHECKED(door_->apply(settings));
      logger_.info("door.reloaded", {{"generation", settings.generation}});
      return {};
    }
    CLAWQL_TRY(door_, door::Door::make(loop_, logger_, settings));
    return {};
  }

  Status take_listener(ipc::ControlMessage& message) {
    CLAWQL_CHECKED(expect_fds(message, 1));
    if (door_ == nullptr) return fail("a listener came before the settings");
    CLAWQL_TRY(const auto what, ipc::from_json<ipc::ListenerMessage>(message.payload));
    expected_.push_back(message.fds[0].get());
    return door_->add_listener(what.id, std::move(message.fds[0]));
  }

  Status close_listener(const ipc::ControlMessage& message) {
    if (door_ == nullptr) return fail("close_listener came before the settings");
    CLAWQL_TRY(const auto what, ipc::from_json<ipc::ListenerMessage>(message.payload));
    door_->close_listener(what.id);
    return {};
  }

  Status take_channel(ipc::ControlMessage& message) {
    CLAWQL_CHECKED(expect_fds(message, 1));
    if (door_ == nullptr) return fail("a channel came before the settings");
    CLAWQL_TRY(const auto what, ipc::from_json<ipc::ChannelMessage>(message.payload));
    expected_.push_back(message.fds[0].get());
    return door_->add_channel(what.door_loop, what.shard, std::move(message.fds[0]));
  }

  // The last moment before the first foreign byte.
  Status start() {
    if (door_ == nullptr || started_) return fail("start came out of order");
    started_ = true;
    CLAWQL_TRY(const os::LockdownReport report, os::lock_down(os::Role::door, expected_));
    ipc::ReadyMessage ready;
    for (const os::LayerReport& layer : report.layers)
      ready.layers.push_back({layer.name, layer.in_force, layer.detail});
    door_->start();
    control_.send(ipc::Control::ready, ipc::to_json(ready));
    return {};
  }

  Status drain() {
    if (!started_) return fail("drain came before start");
    door_->drain([this] { control_.send(ipc::Control::drained); });
    return {};
  }

  base::SystemClock clock_;
  base::Logger logger_;
  io::Loop loop_;
  ipc::ControlSocket control_;
  std::unique_ptr<door::Door> door_;
  std::vector<int> expected_{0, 1, 2, kControlFd};
  bool started_ = false;
  int exit_code_ = 0;
};

int run(int argc, char** argv) {
  auto format = base::Logger::Format::json;
  const std::vector<std::string_view> arguments(argv + 1, argv + argc);
  if (arguments.size() == 2 && arguments[0] == "--log-format" && arguments[1] == "human") {
    format = base::Logger::Format::human;
  } else if (!arguments.empty() &&
             !(arguments.size() == 2 && arguments[0] == "--log-format" && arguments[1] == "json")) {
    fmt::print(stderr, "clawql-door is started by clawql-api; it takes --log-format json|human alone\n");
    return kUsage;
  }
  os::raise_file_limit();  // each client is a descriptor
  os::give_back_large_blocks();
  return Program(format).run();
}

}  // namespace
}  // namespace clawql

int main(int argc, char** argv) {
  return clawql::run(argc, argv);
}
