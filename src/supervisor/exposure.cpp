// The gateway looks at itself: at start, after each reload and on a schedule. What it finds goes to the log, and to the
// engine for the audit log, the metrics and /readyz; with `onDrift: stop` it is the end.
#include <fmt/format.h>
#include <unistd.h>

#include "exposure/own/report.hpp"
#include "supervisor/supervisor.hpp"

namespace clawql::supervisor {
namespace {

namespace own = exposure::own;
using OnDrift = config::Exposure::OnDrift;

std::vector<own::Declared> declared_of(const std::vector<OpenListener>& listeners) {
  std::vector<own::Declared> declared;
  for (const OpenListener& one : listeners) {
    own::Declared made;
    made.fd = one.fd();
    if (one.declared.kind == Declared::Kind::tcp) {
      made.subject = "tcp " + one.declared.label;
    } else {
      made.subject = "unix " + one.declared.path;
      made.path = one.declared.path;
      made.device = one.local.device;
      made.inode = one.local.inode;
      made.mode = one.local.mode;
      made.owner = one.local.owner;
      made.group = one.local.group;
      made.private_folder = one.declared.kind == Declared::Kind::admin;
    }
    declared.push_back(std::move(made));
  }
  return declared;
}

std::string first_of(const std::vector<own::Finding>& findings) {
  std::string text = fmt::format("{}: {}", findings.front().id, findings.front().text);
  if (findings.size() > 1) text += fmt::format(" (and {} more)", findings.size() - 1);
  return fmt::format("exposure.onDrift is stop, and {}. {}", text, findings.front().remedy);
}

}  // namespace

std::vector<own::Finding> Supervisor::find_drift() {
  const auto declared = declared_of(listeners_->open());
  std::vector<own::Finding> found = look_->take(declared, door_.running() ? door_.pid() : 0, loop_.now());
  const config::Exposure& wanted = config_->exposure;
  if (wanted.report.empty()) return found;
  own::ReportRule rule{.path = wanted.report,
                       .gateway = privileges_.children ? privileges_.children->uid : ::geteuid(),
                       .max_age_seconds = static_cast<std::int64_t>(wanted.max_age_seconds),
                       .own = {}};
  for (const own::Declared& one : declared) rule.own.push_back(one.subject);
  for (own::Finding& finding : own::read_report(rule, looked_at_)) found.push_back(std::move(finding));
  return found;
}

// An error: it is not as declared, and the configuration says that this is the end.
Status Supervisor::look_at_self() {
  constexpr std::int64_t kNanoseconds = 1'000'000'000;
  looked_at_ = loop_.clock().wall_nanoseconds() / kNanoseconds;
  const std::vector<DriftChange> changes = drift_.update(find_drift());
  for (const auto& [appeared, finding] : changes) {
    const bool is_grave = finding.severity >= exposure::ports::Severity::high;
    const base::Level level = !appeared ? base::Level::info : is_grave ? base::Level::error : base::Level::warning;
    log_.log(level, appeared ? "exposure.drift" : "exposure.resolved",
             {{"id", finding.id},
              {"severity", exposure::ports::name_of(finding.severity)},
              {"text", finding.text},
              {"remedy", finding.remedy}});
  }
  tell_engine_of_drift(changes);
  const auto seconds = static_cast<std::int64_t>(config_->exposure.interval_seconds);
  next_look_.set(base::Milliseconds(seconds * 1000));
  if (config_->exposure.on_drift != OnDrift::stop || drift_.present().empty()) return {};
  return fail(first_of(drift_.present()));
}

void Supervisor::look_again() {
  if (phase_ != Phase::serving) return;
  if (const Status fine = look_at_self(); !fine) {
    log_.error("exposure.stop", {{"reason", fine.error().message}});
    finish(kExitRefused);
  }
}

void Supervisor::tell_engine_of_drift(const std::vector<DriftChange>& changes) {
  constexpr std::size_t kMostUntold = 1000;
  for (const DriftChange& change : changes)
    if (untold_.size() < kMostUntold) untold_.push_back(change);
  if (!engine_.running()) return;
  const ipc::ExposureMessage state{
      .checked = static_cast<std::uint64_t>(looked_at_),
      .unready = config_->exposure.on_drift == OnDrift::unready && !drift_.present().empty(),
      .present = drift_.counts(),
      .events = {}};
  for (const ipc::ExposureMessage& message : exposure_messages(state, untold_))
    engine_.send(ipc::Control::exposure, ipc::to_json(message));
  untold_.clear();
}

}  // namespace clawql::supervisor
