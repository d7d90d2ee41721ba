#include "engine/line/auditor.hpp"

#include <fmt/format.h>

namespace clawql::engine::line {
namespace {

constexpr base::Milliseconds kSampleWindow{1000};

audit::Type type_of(base::Reason reason) {
  using enum base::Reason;
  if (reason <= too_many_connections) return audit::Type::network;
  return reason == session_missing || reason == session_unknown ? audit::Type::auth : audit::Type::policy;
}

}  // namespace

Auditor::Auditor(io::Loop& loop, audit::Log& log, std::uint8_t shard)
    : log_(log),
      flush_(loop, [this] { flush(); }),
      // Names of calls must differ between runs of the engine and between its shards, whose events stand in one file.
      call_prefix_(
          fmt::format("{:x}-{:x}-", static_cast<std::uint64_t>(loop.clock().wall_nanoseconds()) / 1'000'000, shard)) {}

void Auditor::set_listeners(const std::vector<ipc::ListenerSettings>& listeners) {
  listeners_ = listeners;
}

std::string_view Auditor::listener_label(std::uint16_t id) const {
  for (const auto& listener : listeners_)
    if (listener.id == id) return listener.label;
  return {};
}

std::string_view Auditor::listener_kind(std::uint16_t id) const {
  for (const auto& listener : listeners_)
    if (listener.id == id) return listener.kind;
  return {};
}

CallFacts Auditor::facts_of(const AllowedCall& call) {
  const IdentifiedRequest& who = call.request().who();
  return {.principal = who.principal().principal.name,
          .session = call.request().client().audit_name(),
          .method = mcp::name(call.request().message().method()),
          .listener = std::string(listener_label(who.listener())),
          .peer = ipc::describe(who.peer()),
          .server = call.server().name(),
          .tool = std::string(call.target()),
          .name = call_prefix_ + std::to_string(++calls_)};
}

bool Auditor::intent(const CallFacts& call, std::string_view arguments, std::size_t bytes) {
  return log_
      .record({.type = audit::Type::tool_call,
               .subtype = call.method,
               .outcome = audit::Outcome::intent,
               .principal = call.principal,
               .session = call.session,
               .listener = call.listener,
               .peer = call.peer,
               .server = call.server,
               .tool = call.tool,
               .payload = arguments,
               .call = call.name,
               .bytes = bytes})
      .has_value();
}

void Auditor::outcome(const CallFacts& call, audit::Outcome outcome, std::string_view reason, std::int64_t duration_us,
                      std::size_t bytes) {
  // A failure here is counted by the log; the action has happened and its answer is not withheld.
  (void)log_.record({.type = audit::Type::tool_call,
                     .subtype = call.method,
                     .outcome = outcome,
                     .principal = call.principal,
                     .session = call.session,
                     .listener = call.listener,
                     .peer = call.peer,
                     .server = call.server,
                     .tool = call.tool,
                     .reason = reason,
                     .call = call.name,
                     .duration_us = duration_us,
                     .bytes = bytes});
}

void Auditor::refused(const IdentifiedRequest& who, const mcp::Client* client, base::Reason reason,
                      std::string_view subtype, std::string_view detail) {
  Sampled& sampled = sampled_[static_cast<std::size_t>(reason)];
  if (sampled.open) {
    ++sampled.count;
    sampled.principal = who.principal().principal.name;
    sampled.peer = ipc::describe(who.peer());
    sampled.subtype = subtype;
    sampled.detail = detail.substr(0, 256);
    return;
  }
  sampled.open = true;
  if (!flush_.is_set()) flush_.set(kSampleWindow);
  const std::string peer = ipc::describe(who.peer());
  (void)log_.record({.type = type_of(reason),
                     .subtype = subtype,
                     .outcome = audit::Outcome::refused,
                     .severity = audit::Severity::low,
                     .principal = who.principal().principal.name,
                     .session = client == nullptr ? std::string_view{} : client->audit_name(),
                     .listener = listener_label(who.listener()),
                     .peer = peer,
                     .reason = base::facts(reason).label,
                     .detail = detail});
}

void Auditor::flush() {
  for (std::size_t i = 0; i < sampled_.size(); ++i) {
    Sampled& sampled = sampled_[i];
    if (sampled.count > 0) {
      const auto reason = static_cast<base::Reason>(i);
      (void)log_.record({.type = type_of(reason),
                         .subtype = sampled.subtype,
                         .outcome = audit::Outcome::refused,
                         .severity = audit::Severity::medium,
                         .principal = sampled.principal,
                         .peer = sampled.peer,
                         .reason = base::facts(reason).label,
                         .detail = sampled.detail,
                         .count = sampled.count});
    }
    sampled = {};
  }
}

void Auditor::refused_by_door(const ipc::RefusalCount& count) {
  const auto reason = static_cast<base::Reason>(count.reason);
  (void)log_.record({.type = type_of(reason),
                     .subtype = "door.refused",
                     .outcome = audit::Outcome::refused,
                     .severity = audit::Severity::low,
                     .peer = count.last_peer,
                     .reason = base::facts(reason).label,
                     .detail = count.last_value,
                     .count = count.count});
}

void Auditor::session(const IdentifiedRequest& who, const mcp::Session& session, std::string_view subtype) {
  const std::string peer = ipc::describe(who.peer());
  (void)log_.record({.type = audit::Type::auth,
                     .subtype = subtype,
                     .principal = who.principal().principal.name,
                     .session = session.audit_name(),
                     .listener = listener_label(who.listener()),
                     .peer = peer});
}

void Auditor::session_ended(const mcp::Session& session, std::string_view subtype) {
  (void)log_.record({.type = audit::Type::auth,
                     .subtype = subtype,
                     .principal = session.principal().principal.name,
                     .session = session.audit_name()});
}

bool Auditor::asked(const mcp::Session& session, std::string_view server, std::string_view method,
                    audit::Outcome outcome, std::string_view reason, std::int64_t duration_us) {
  return log_
      .record({.type = audit::Type::agent,
               .subtype = method,
               .outcome = outcome,
               .principal = session.principal().principal.name,
               .session = session.audit_name(),
               .server = server,
               .detail = reason,
               .duration_us = duration_us})
      .has_value();
}

void Auditor::admin(const IdentifiedRequest& who, std::string_view operation, std::string_view argument) {
  const std::string peer = ipc::describe(who.peer());
  const std::string subtype = fmt::format("admin.{}", operation);
  (void)log_.record({.type = audit::Type::policy,
                     .subtype = subtype,
                     .principal = who.principal().principal.name,
                     .listener = listener_label(who.listener()),
                     .peer = peer,
                     .server = argument});
}

void Auditor::exposure(const ipc::DriftEvent& event) {
  constexpr std::array kNames{std::pair{std::string_view("low"), audit::Severity::low},
                              std::pair{std::string_view("medium"), audit::Severity::medium},
                              std::pair{std::string_view("high"), audit::Severity::high},
                              std::pair{std::string_view("critical"), audit::Severity::critical}};
  auto severity = audit::Severity::info;
  for (const auto& [word, value] : kNames)
    if (word == event.severity) severity = value;
  (void)log_.record({.type = audit::Type::network,
                     .subtype = event.appeared ? "exposure.drift" : "exposure.resolved",
                     .outcome = event.appeared ? audit::Outcome::error : audit::Outcome::success,
                     .severity = severity,
                     .reason = event.id,
                     .detail = event.text});
}

void Auditor::server(std::string_view name, std::string_view subtype, audit::Outcome outcome, std::string_view detail) {
  (void)log_.record(
      {.type = audit::Type::agent, .subtype = subtype, .outcome = outcome, .server = name, .detail = detail});
}

}  // namespace clawql::engine::line
