// A reload: the whole new file is checked before anything changes; a bad one changes nothing and says why.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "ipc/settings.hpp"
#include "os/process.hpp"
#include "os/socket.hpp"
#include "supervisor/child_settings.hpp"
#include "supervisor/posture.hpp"
#include "supervisor/status.hpp"
#include "supervisor/supervisor.hpp"

namespace clawql::supervisor {

Status Supervisor::check_reload(const config::Config& next) const {
  CLAWQL_CHECKED(check_reload_privileges(privileges_, *config_, next));
  if (next.threads.door != config_->threads.door || next.threads.engine != config_->threads.engine) {
    return fail("threads: they change only at a restart of clawql-api");
  }
  if (next.require_sandbox) CLAWQL_CHECKED(check_layers());
  return {};
}

Result<std::string> Supervisor::reload() {
  std::vector<std::string> warnings;
  const auto attempt = [&]() -> Status {
    CLAWQL_TRY(config::Config read, options_.load());
    auto next = std::make_shared<const config::Config>(std::move(read));
    CLAWQL_CHECKED(check_reload(*next));
    CLAWQL_TRY(const auto declared, declare(*next, options_.places.runtime_folder, os::has_ipv6_loopback(), warnings));
    auto audit = std::make_unique<AuditFiles>(next->audit, privileges_.owner);
    if (auto file = audit->open(); !file) return std::unexpected(std::move(file).error());
    CLAWQL_TRY(const Listeners::Change change, listeners_->apply(declared));
    for (const std::uint64_t cookie : change.closed) look_->expect_end_of(cookie, loop_.now());
    warnings.insert(warnings.end(), change.warnings.begin(), change.warnings.end());
    audit_files_ = std::move(audit);
    return put_in_force(std::move(next), change);
  };
  if (auto done = attempt(); !done) {
    log_.error("reload.refused", {{"reason", done.error().message}, {"generation", generation_}});
    return std::unexpected(std::move(done).error());
  }
  warnings_.clear();
  warn(warnings);
  for (const config::Notice& notice : config_->notices) {
    log_.warning("config.notice", {{"where", notice.where}, {"id", notice.id}, {"text", notice.text}});
  }
  log_.info("reload.done", {{"generation", generation_}});
  look_again();
  return fmt::format(R"({{"reloaded":true,"generation":{}}})", generation_);
}

Status Supervisor::put_in_force(std::shared_ptr<const config::Config> next, const Listeners::Change& change) {
  const bool audit_changed = next->audit.path != config_->audit.path;
  config_ = std::move(next);
  ++generation_;
  if (engine_.running()) {
    CLAWQL_CHECKED(engine_.send_settings(ipc::to_json(engine_settings(*config_, generation_, listeners_->settings()))));
    if (audit_changed) send_next_audit_file();
  }
  servers_.configure(config_);
  if (!door_.running()) return {};
  CLAWQL_CHECKED(door_.send_settings(ipc::to_json(door_settings(*config_, generation_, listeners_->settings()))));
  for (const OpenListener& one : listeners_->open()) {
    if (std::ranges::find(change.added, one.id) == change.added.end()) continue;
    CLAWQL_TRY(os::Fd copy, os::duplicate(one.fd()));
    std::vector<os::Fd> fds;
    fds.push_back(std::move(copy));
    door_.send(ipc::Control::listener, ipc::to_json(ipc::ListenerMessage{one.id}), std::move(fds));
  }
  for (const std::uint16_t id : change.removed) {
    door_.send(ipc::Control::close_listener, ipc::to_json(ipc::ListenerMessage{id}));
  }
  return {};
}

std::string Supervisor::status() const {
  const StatusFacts facts{started_wall_,      generation_,         *config_, listeners_->settings(),
                          {&door_, &engine_}, servers_.describe(), warnings_};
  const uid_t uid = privileges_.children ? privileges_.children->uid : ::geteuid();
  const bool readable = !config_->path.empty() && !privileges_.children;
  std::vector<Finding> all = findings(facts, uid, readable);
  for (const exposure::own::Finding& one : drift_.present())
    all.push_back({one.id, std::string(exposure::ports::name_of(one.severity)), one.text, one.remedy});
  return status_json(facts, all);
}

}  // namespace clawql::supervisor
