#include "engine/line/call.hpp"

#include <fmt/format.h>

#include "engine/line/own_servers.hpp"
#include "engine/line/tasks.hpp"
#include "engine/mcp/log_level.hpp"
#include "engine/mcp/modern_result.hpp"
#include "engine/mcp/replies.hpp"

namespace clawql::engine::line {
namespace {

constexpr std::int64_t kCapabilityMissing = -32021;

// How a response counts in the audit: an error, also one that the tool itself reports inside its result.
audit::Outcome outcome_of(json::Value response) {
  if (response.find("error")) return audit::Outcome::error;
  return response.find("result").find("isError").boolean().value_or(false) ? audit::Outcome::error
                                                                           : audit::Outcome::success;
}

}  // namespace

Call::Call(Core& core, const AllowedCall& allowed, CallFacts&& facts, std::unique_ptr<TaskCall> task, mcp::Asker& asker)
    : Pending(allowed.request().message().id(), &asker),
      core_(core),
      client_(allowed.request().client()),
      server_(allowed.server()),
      in_flight_(core, client_),
      facts_(std::move(facts)),
      method_(allowed.request().message().method()),
      progress_token_(allowed.progress_token().value_or(std::string_view{})),
      task_(std::move(task)),
      declared_(allowed.request().is_modern() ? Declared(allowed.request().claim()->capabilities()) : Declared()),
      log_level_(allowed.request().is_modern() ? allowed.request().claim()->log_level() : std::nullopt),
      started_(core.loop.now()) {}

void Call::send(Call& call, const AllowedCall& allowed) {
  upstream::OutgoingRequest outgoing{.text = allowed.request().message().text(),
                                     .id = allowed.request().message().id(),
                                     .progress_token = allowed.progress_token(),
                                     .edits = {},
                                     .params = allowed.request().message().params(),
                                     .wants_log = call.log_level_.has_value(),
                                     .as_task = allowed.wants_task(),
                                     .generation = allowed.task() ? allowed.task()->process : 0,
                                     .modern = allowed.request().is_modern(),
                                     .principal = call.client_.principal().principal.name};
  if (!allowed.original_raw().empty()) outgoing.edits.emplace_back(allowed.name_raw(), allowed.original_raw());
  for (const auto& [slice, replacement] : allowed.task_edits()) outgoing.edits.emplace_back(slice, replacement);
  upstream::Server& server = call.server_;
  const auto id = server.call(outgoing, call);
  if (!id) return;  // answered already: the call is gone
  call.upstream_id_ = id;
  const mcp::ServerSlot* slot = call.client_.view().slot(server);
  const std::uint64_t seconds =
      slot != nullptr && slot->call_seconds > 0 ? slot->call_seconds : call.core_.limits.call_seconds;
  call.time_limit_.emplace(call.core_.loop, [&call] { call.on_timeout(); });
  call.time_limit_->set(std::chrono::seconds(seconds));
}

// The end of the call, and of what the server asked its client on the call's stream.
void Call::record(audit::Outcome outcome, std::string_view reason, std::size_t bytes) {
  if (SessionServers* const own = own_of(client_)) own->asks().call_ended(*this);
  core_.auditor.outcome(facts_, outcome, reason, (core_.loop.now() - started_).count(), bytes);
}

void Call::on_response(const json::Document& message) {
  if (task_ && !task_->take(message.root()))
    return on_failure({base::Reason::server_unavailable, "it named a task in a way that cannot be passed on"});
  const std::unique_ptr<Pending> self = client_.take(*this);  // gone when this returns
  client_.touch(core_.loop.now());
  const json::Value response = message.root();
  mcp::Spliced answer(response.raw(), response.find("id").raw(), id());
  if (client_.is_modern()) mcp::make_modern(answer, response, method_ == mcp::Method::resources_read);
  if (task_) task_->apply(answer);
  const mcp::RelatedTask related = related_of(response.find("result"));
  related.apply(answer);
  record(outcome_of(response), {}, answer.size());
  if (asker() == nullptr) return core_.metrics.answers_dropped.add();
  if (!missing_feature_.empty()) return say_what_is_missing();
  // A capability that the client would have to declare is a fault of its request; other errors are answers.
  const bool is_fault = client_.is_modern() && response.find("error").find("code").int64() == kCapabilityMissing;
  asker()->respond(answer, is_fault ? base::facts(base::Reason::capability_missing).http_status : 200);
}

void Call::on_own_response(std::string_view text, std::string_view own_id, bool is_error) {
  if (client_.is_modern()) return CallSink::on_own_response(text, own_id, is_error);  // more than the id changes
  const std::unique_ptr<Pending> self = client_.take(*this);                          // gone when this returns
  client_.touch(core_.loop.now());
  const mcp::Spliced answer(text, own_id, id());
  record(is_error ? audit::Outcome::error : audit::Outcome::success, {}, answer.size());
  if (asker() == nullptr) return core_.metrics.answers_dropped.add();
  asker()->respond(answer, 200);
}

void Call::on_notification(const json::Document& message) {
  const json::Value notification = message.root();
  const json::Value params = notification.find("params");
  const mcp::RelatedTask related = related_of(params);
  bool sent = false;
  if (asker() != nullptr && notification.find("method").equals("notifications/progress")) {
    const json::Value token = params.find("progressToken");
    mcp::Spliced progress(notification.raw());
    related.apply(progress);
    if (token && !progress_token_.empty()) {
      progress.replace(token.raw(), progress_token_);
      sent = asker()->notify(progress);
    }
  } else if (asker() != nullptr && wants_log(params)) {
    mcp::Spliced log(notification.raw());
    related.apply(log);
    sent = asker()->notify(log);
  }
  if (!sent) core_.metrics.notifications_dropped.add();
}

mcp::RelatedTask Call::related_of(json::Value holder) const {
  if (client_.is_modern()) return {};
  return mcp::RelatedTask::towards_client(scope_of(core_, client_, server_), holder);
}

// A server of the handshake era asked for what this client of 2026-07-28 did not declare, was refused, and has ended
// the call in its own way.
void Call::say_what_is_missing() {
  core_.metrics.refused(base::Reason::capability_missing);
  const std::string error =
      mcp::error_response(id(), base::Reason::capability_missing, {}, true,
                          fmt::format(R"("requiredCapabilities":{{"{}":{{}}}})", missing_feature_));
  asker()->respond(mcp::Spliced(error), base::facts(base::Reason::capability_missing).http_status);
}

void Call::on_request_refused(std::string_view feature) {
  if (client_.is_modern() && !declared_.has(feature)) missing_feature_ = feature;
}

// A client that never asked hears what matters to most: `info` and above; since 2026-07-28 it hears nothing.
bool Call::wants_log(json::Value params) const {
  const auto level = mcp::parse_log_level(params.find("level").plain_string().value_or(std::string_view{}));
  if (client_.is_modern()) return level && log_level_ && *level >= *log_level_;
  return level && *level >= client_.session()->log_level().value_or(mcp::LogLevel::info);
}

void Call::on_failure(const base::Refusal& refusal) {
  core_.log.warning("call.failed", {{"server", server_.name()},
                                    {"tool", facts_.tool},
                                    {"reason", base::facts(refusal.reason).label},
                                    {"detail", refusal.for_operator}});
  if (task_ && refusal.reason == base::Reason::task_lost) task_->lost();
  fail(refusal.reason);
}

void Call::on_timeout() {
  if (upstream_id_) server_.cancel(*upstream_id_, "timeout");
  fail(base::Reason::call_timeout);
}

void Call::abandon() {
  if (upstream_id_) server_.cancel(*upstream_id_, "the server was removed");
  fail(base::Reason::server_unavailable);
}

void Call::fail(base::Reason reason) {
  const std::unique_ptr<Pending> self = client_.take(*this);  // gone when this returns
  client_.touch(core_.loop.now());
  core_.metrics.refused(reason);
  record(audit::Outcome::error, base::facts(reason).label, 0);
  if (asker() == nullptr) {
    core_.metrics.answers_dropped.add();
    return;
  }
  const std::string error = mcp::error_response(id(), reason, {}, client_.is_modern());
  asker()->respond(mcp::Spliced(error), base::facts(reason).http_status);
}

void Call::stop(base::Reason why, std::string_view reason_text) {
  if (upstream_id_) server_.cancel(*upstream_id_, reason_text);
  record(audit::Outcome::cancelled, base::facts(why).label, 0);
}

}  // namespace clawql::engine::line
