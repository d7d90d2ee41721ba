// For tests: the conductor with real processes, sockets and signals, but a door and an engine that are played by the
// test: their ends of the control sockets stay here, and `sleep` stands in for their bodies.
#pragma once

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "ipc/settings.hpp"
#include "os/process.hpp"
#include "os/socket.hpp"
#include "supervisor/supervisor.hpp"

namespace clawql::supervisor::testing_support {

using ipc::Control;

// A door or an engine: says `ready`, answers pings and drains, and hands everything else to the test.
class FakeProgram final : private ipc::ControlSocket::Handler {
 public:
  FakeProgram(io::Loop& loop, os::Fd socket, pid_t pid, std::string name)
      : name(std::move(name)), pid(pid), control(loop, std::move(socket), handler()) {}
  void die() const { ::kill(pid, SIGKILL); }
  std::vector<std::string> received() const {
    std::vector<std::string> result;
    result.reserve(messages.size());
    // `exposure` comes after each look of the gateway at itself, whatever else happens.
    for (const auto& message : messages)
      if (message.kind != Control::exposure) result.emplace_back(ipc::name(message.kind));
    return result;
  }
  const ipc::ControlMessage* last(Control kind) const {
    for (auto one = messages.rbegin(); one != messages.rend(); ++one) {
      if (one->kind == kind) return &*one;
    }
    return nullptr;
  }

  std::string name;
  pid_t pid;
  std::vector<ipc::ControlMessage> messages;
  std::function<void(FakeProgram&, const ipc::ControlMessage&)> on_each;
  bool says_ready = true;
  bool layer_in_force = true;
  ipc::ControlSocket control;

 private:
  ipc::ControlSocket::Handler& handler() { return *this; }
  void on_message(ipc::ControlMessage message) override {
    const Control kind = message.kind;
    messages.push_back(std::move(message));
    if (kind == Control::start && says_ready) {
      control.send(Control::ready, ipc::to_json(ipc::ReadyMessage{{{"seccomp", layer_in_force, "fake"}}}));
    }
    if (kind == Control::ping) control.send(Control::pong);
    if (kind == Control::drain) control.send(Control::drained);
    if (on_each) on_each(*this, messages.back());
  }
  void on_closed(Error) override { die(); }
};

class FakeSpawner final : public os::Spawner {
 public:
  Result<os::Child> spawn(const os::SpawnRequest& request) override {
    os::SpawnRequest real = request;
    const bool is_server = request.arguments[0] == "clawql-run";
    real.program = "/bin/sh";
    real.arguments = {"sh", "-c", is_server ? server_script : "exec sleep 1000"};
    if (!is_server) real.fds = {-1, request.fds[1], request.fds[2]};
    requests.push_back(request);
    auto child = system_.spawn(real);
    if (child && is_server) server_pids.push_back(child->pid);
    if (child && !is_server) on_program(request.arguments[0], *os::duplicate(request.fds[3]), child->pid);
    return child;
  }
  std::function<void(std::string, os::Fd, pid_t)> on_program;
  std::string server_script = "exec cat";
  std::vector<os::SpawnRequest> requests;
  std::vector<pid_t> server_pids;

 private:
  os::SystemSpawner system_;
};

class SupervisorTest : public testing::Test {
 protected:
  SupervisorTest()
      : loop_(clock_),
        null_(::open("/dev/null", O_WRONLY | O_CLOEXEC)),
        log_(null_.get(), base::Logger::Format::json, "test", clock_),
        watchdog_(loop_, [this] {
          ADD_FAILURE() << "nothing more happened";
          loop_.stop();
        }) {
    char name[] = "/tmp/clawql-sv-XXXXXX";
    folder_ = ::mkdtemp(name);
    config_.unix_listener.path = folder_ + "/run/gateway.sock";
    config_.unix_listener.group = std::to_string(::getgid());
    config_.audit.path = folder_ + "/audit.jsonl";
    config_.limits.drain_seconds = 1;
    config::Server server;
    server.name = "cat";
    server.command = "cat";
    server.fingerprint = "1";
    config_.servers.push_back(server);
    spawner_.on_program = [this](const std::string& program, os::Fd socket, pid_t pid) {
      auto& made = (program == "clawql-door" ? doors_ : engines_);
      made.push_back(std::make_unique<FakeProgram>(loop_, std::move(socket), pid, program));
      made.back()->says_ready = says_ready_;
      made.back()->layer_in_force = layer_in_force_;
      made.back()->on_each = [this](FakeProgram& self, const ipc::ControlMessage& message) {
        if (script_) script_(self, message);
      };
    };
  }
  ~SupervisorTest() override { std::filesystem::remove_all(folder_); }

  // Runs until the script ends it; returns the exit status.
  int run() {
    Options options;
    options.places.runtime_folder = folder_ + "/run";
    options.load = [this]() -> Result<config::Config> {
      if (!load_error_.empty()) return fail(load_error_);
      return config_;
    };
    options.give_up_privileges = [](const Privileges&) { return Status{}; };
    options.libexec = "/libexec";
    options.log_output = null_.get();
    options.started = clock_.monotonic();
    supervisor_ = std::make_unique<Supervisor>(loop_, spawner_, log_, std::move(options));
    watchdog_.set(base::Milliseconds{20'000});
    const int status = supervisor_->run();
    supervisor_.reset();
    return status;
  }
  static void terminate() { ::kill(::getpid(), SIGTERM); }
  static bool is_engine(const FakeProgram& program) { return program.name == "clawql-engine"; }
  static void ask(FakeProgram& engine, Control kind, const std::string& server, std::uint64_t instance = 0) {
    engine.control.send(kind, ipc::to_json(ipc::ServerMessage{server, instance, 0}));
  }
  static void admin(FakeProgram& engine, const std::string& operation, const std::string& argument = {}) {
    engine.control.send(Control::admin, ipc::to_json(ipc::AdminRequest{7, operation, argument}));
  }
  static ipc::AdminAnswer answer(const ipc::ControlMessage& message) {
    return *ipc::from_json<ipc::AdminAnswer>(message.payload);
  }
  static ipc::ServerMessage started(const ipc::ControlMessage& message) {
    return *ipc::from_json<ipc::ServerMessage>(message.payload);
  }
  static ipc::ServerExited exited(const ipc::ControlMessage& message) {
    return *ipc::from_json<ipc::ServerExited>(message.payload);
  }

  base::SystemClock clock_;
  io::Loop loop_;
  os::Fd null_;
  base::Logger log_;
  io::Deadline watchdog_;
  std::string folder_;
  config::Config config_;
  std::string load_error_;
  bool says_ready_ = true, layer_in_force_ = true;
  FakeSpawner spawner_;
  std::vector<std::unique_ptr<FakeProgram>> doors_, engines_;
  std::function<void(FakeProgram&, const ipc::ControlMessage&)> script_;
  std::unique_ptr<Supervisor> supervisor_;
};

}  // namespace clawql::supervisor::testing_support
