#include "supervisor/supervisor.hpp"

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include "os/process.hpp"
#include "os/socket.hpp"
#include "supervisor/child_settings.hpp"
#include "supervisor/posture.hpp"
#include "supervisor/server_command.hpp"

namespace clawql::supervisor {

Status check_posture(const config::Config& config, const config::Places& places, std::vector<std::string>& warnings) {
  if (auto plan = plan_privileges(config); !plan) return std::unexpected(std::move(plan).error());
  auto declared = declare(config, places.runtime_folder, os::has_ipv6_loopback(), warnings);
  if (!declared) return std::unexpected(std::move(declared).error());
  return {};
}

Supervisor::Supervisor(io::Loop& loop, os::Spawner& spawner, base::Logger& log, Options options)
    : loop_(loop),
      spawner_(spawner),
      log_(log),
      options_(std::move(options)),
      started_wall_(loop.clock().wall_nanoseconds()),
      servers_({loop, spawner, log, options_.libexec + "/clawql-run", options_.environment}, *this),
      door_({loop, spawner, log, options_.log_output}, "door", options_.libexec + "/clawql-door", *this),
      engine_({loop, spawner, log, options_.log_output}, "engine", options_.libexec + "/clawql-engine", *this),
      next_look_(loop, [this] { look_again(); }),
      phase_deadline_(loop, [this] { drain_step(); }) {}

Supervisor::~Supervisor() = default;

int Supervisor::run() {
  if (auto started = start(); !started) {
    log_.error("start.refused", {{"reason", started.error().message}});
    return kExitRefused;
  }
  loop_.run();
  end_everything();
  if (listeners_) listeners_->close();
  log_.info("gateway.stopped", {{"status", exit_status_}});
  return exit_status_;
}

void Supervisor::warn(const std::vector<std::string>& warnings) {
  for (const std::string& warning : warnings) {
    log_.warning("posture.warning", {{"text", warning}});
    warnings_.push_back(warning);
  }
}

Status Supervisor::start() {
  CLAWQL_TRY(config::Config config, options_.load());
  config_ = std::make_shared<const config::Config>(std::move(config));
  for (const config::Notice& notice : config_->notices) {
    log_.warning("config.notice", {{"where", notice.where}, {"id", notice.id}, {"text", notice.text}});
  }
  CLAWQL_CHECKED(os::become_subreaper());
  CLAWQL_TRY(signals_, os::signal_descriptor({SIGTERM, SIGINT, SIGHUP, SIGCHLD}));
  CLAWQL_TRY(privileges_, plan_privileges(*config_));

  std::vector<std::string> warnings;
  CLAWQL_TRY(const auto declared, declare(*config_, options_.places.runtime_folder, os::has_ipv6_loopback(), warnings));
  listeners_ = std::make_unique<Listeners>(privileges_.owner);
  CLAWQL_TRY(const Listeners::Change change, listeners_->apply(declared));
  warn(warnings);
  warn(change.warnings);
  audit_files_ = std::make_unique<AuditFiles>(config_->audit, privileges_.owner);
  if (auto file = audit_files_->open(); !file) return std::unexpected(std::move(file).error());
  CLAWQL_CHECKED(options_.give_up_privileges(privileges_));
  look_ = std::make_unique<exposure::own::Look>();
  CLAWQL_CHECKED(look_at_self());

  CLAWQL_CHECKED(servers_.prepare(privileges_.children));
  servers_.configure(config_);
  signal_watch_ = loop_.watch(signals_.get(), *this);
  signal_watch_->want_read();
  return start_programs();
}

Status Supervisor::start_programs() {
  CLAWQL_CHECKED(start_one(door_));
  CLAWQL_CHECKED(start_one(engine_));
  CLAWQL_CHECKED(introduce_door());
  CLAWQL_CHECKED(introduce_engine());
  CLAWQL_CHECKED(connect_channels());
  door_.send(ipc::Control::start);
  engine_.send(ipc::Control::start);
  return {};
}

Status Supervisor::start_one(Program& program) {
  return program.start(privileges_.children, program_environment(options_.environment));
}

namespace {

std::vector<os::Fd> one_fd(os::Fd fd) {
  std::vector<os::Fd> fds;
  fds.push_back(std::move(fd));
  return fds;
}

}  // namespace

Status Supervisor::introduce_door() {
  CLAWQL_CHECKED(door_.send_settings(ipc::to_json(door_settings(*config_, generation_, listeners_->settings()))));
  for (const OpenListener& one : listeners_->open()) {
    CLAWQL_TRY(os::Fd copy, os::duplicate(one.fd()));
    door_.send(ipc::Control::listener, ipc::to_json(ipc::ListenerMessage{one.id}), one_fd(std::move(copy)));
  }
  return {};
}

Status Supervisor::introduce_engine() {
  CLAWQL_CHECKED(engine_.send_settings(ipc::to_json(engine_settings(*config_, generation_, listeners_->settings()))));
  CLAWQL_TRY(os::Fd file, audit_files_->open());
  engine_.send(ipc::Control::audit_file, {}, one_fd(std::move(file)));
  tell_engine_of_drift({});
  return {};
}

Status Supervisor::connect_channels() {
  for (std::uint32_t loop = 0; loop < config_->threads.door; ++loop) {
    for (std::uint32_t shard = 0; shard < config_->threads.engine; ++shard) {
      CLAWQL_TRY(auto ends, ipc::make_channel_pair());
      CLAWQL_CHECKED(os::set_nonblocking(ends.first.get()));
      CLAWQL_CHECKED(os::set_nonblocking(ends.second.get()));
      const std::string payload = ipc::to_json(ipc::ChannelMessage{loop, shard});
      door_.send(ipc::Control::channel, payload, one_fd(std::move(ends.first)));
      engine_.send(ipc::Control::channel, payload, one_fd(std::move(ends.second)));
    }
  }
  return {};
}

// After a death: the new one gets everything, and both get new channels.
Status Supervisor::bring_up(Program& program) {
  CLAWQL_CHECKED(start_one(program));
  CLAWQL_CHECKED(&program == &door_ ? introduce_door() : introduce_engine());
  if (door_.running() && engine_.running()) CLAWQL_CHECKED(connect_channels());
  program.send(ipc::Control::start);
  return {};
}

Status Supervisor::check_layers() const {
  for (const Program* program : {&door_, &engine_}) {
    for (const ipc::LayerMessage& layer : program->layers()) {
      if (layer.in_force) continue;
      return fail(
          fmt::format("requireSandbox: clawql-{} runs without {}: {}", program->name(), layer.name, layer.detail));
    }
  }
  return {};
}

void Supervisor::announce_when_ready() {
  if (!door_.ready() || !engine_.ready()) return;
  if (auto layers = check_layers(); !layers) {
    log_.log(config_->require_sandbox ? base::Level::error : base::Level::warning, "sandbox.incomplete",
             {{"reason", layers.error().message}});
    if (config_->require_sandbox) return finish(kExitRefused);
  }
  if (announced_) return;
  announced_ = true;
  std::string where;
  for (const OpenListener& one : listeners_->open()) {
    if (!where.empty()) where += ' ';
    where += one.declared.label;
  }
  const auto took = std::chrono::duration_cast<base::Milliseconds>(loop_.now() - options_.started);
  log_.info("gateway.listening", {{"on", where},
                                  {"config", config_->path.empty() ? "built-in defaults" : config_->path},
                                  {"ms", static_cast<std::int64_t>(took.count())}});
  look_again();
}

}  // namespace clawql::supervisor
