#include "engine/upstream/stdio_server.hpp"

#include <algorithm>

#include "engine/upstream/one_line.hpp"
#include "json/writer.hpp"

namespace clawql::engine::upstream {
namespace {

constexpr std::size_t kReasonBytes = 256;  // of a cancellation, towards the server
constexpr std::size_t kStatusStderrLines = 5;

json::Splice addressed(const OutgoingRequest& request, CallId id) {
  json::Splice splice(request.text);
  const std::string number = std::to_string(id);
  splice.replace(request.id, number);
  if (request.progress_token) splice.replace(*request.progress_token, number);
  for (const auto& [slice, replacement] : request.edits) splice.replace(slice, replacement);
  return splice;
}

std::string subscription_members(std::string_view uri) {
  return R"("uri":)" + json::quoted(uri);
}

}  // namespace

StdioServer::StdioServer(Parts parts, const ipc::ServerSettings& settings, const base::Limits& limits, Role role)
    : parts_(parts),
      settings_(settings),
      limits_(limits),
      role_(std::move(role)),
      offered_(role_),
      metrics_(parts.metrics, settings.name),
      opening_(first_opening()),
      grace_(parts.loop, [this] { on_grace_over(); }),
      restart_(parts.loop, [this] { parts_.launcher.restart(settings_.name, role_.instance); }),
      handshake_deadline_(parts.loop, [this] { on_late_handshake(); }),
      offer_(std::make_shared<const Offer>()) {}

StdioServer::~StdioServer() = default;

Description StdioServer::describe() const {
  Description all{.name = settings_.name,
                  .kind = "stdio",
                  .state = state_,
                  .reason = reason_,
                  .last_stderr = stderr_tail_.last(kStatusStderrLines),
                  .server_name = introduction_.name,
                  .server_version = introduction_.version,
                  .protocol_version = introduction_.protocol_version,
                  .features = offer_->features,
                  .tools = offer_->list(ListKind::tools).size(),
                  .resources = offer_->list(ListKind::resources).size(),
                  .prompts = offer_->list(ListKind::prompts).size(),
                  .calls_in_flight = calls_.size(),
                  .calls = calls_total_,
                  .starts = starts_,
                  .protocol_errors = protocol_errors_,
                  .not_offered = {}};
  for (const ClientFeature& feature : kClientFeatures)
    if (!offered_.has(feature)) all.not_offered.emplace_back(feature.name);
  return all;
}

// ---- calls

std::optional<CallId> StdioServer::refuse(CallSink& sink, base::Reason reason, std::string why) {
  metrics_.failures.add();
  sink.on_failure({reason, "server " + settings_.name + ": " + std::move(why)});
  return std::nullopt;
}

std::optional<CallId> StdioServer::call(const OutgoingRequest& request, CallSink& sink) {
  ++calls_total_;
  metrics_.calls.add();
  if (retired_) return refuse(sink, base::Reason::server_unavailable, "it was removed from the configuration");
  if (request.generation != 0 && (request.generation != generation_ || !can_hear()))
    return refuse(sink, base::Reason::task_lost, "the process that ran the task has ended");
  if (may_be_tried_again()) take_fresh_number();
  wake();
  if (state_ == State::failed) return refuse(sink, base::Reason::server_unavailable, reason_);
  if (calls_.size() >= limits_.in_flight_server)
    return refuse(sink, base::Reason::too_many_requests, "too many of its calls are in flight");
  const bool can_send = can_hear();
  if (can_send && process_->pending() > kUnsentBytes)
    return refuse(sink, base::Reason::overloaded, "it does not read what was sent to it");
  if (!can_send && held_bytes_ + request.text.size() > kWaitingBytes)
    return refuse(sink, base::Reason::overloaded, "too many calls wait for its start");

  const CallId id = next_id_++;
  Call& call = calls_
                   .try_emplace(id, parts_.loop,
                                [this, id] {
                                  end_call(id, base::Reason::call_timeout, "no answer within the call's time limit");
                                })
                   .first->second;
  call.sink = &sink;
  call.wants_progress = request.progress_token.has_value();
  call.modern = request.modern;
  call.wants_log = request.wants_log || !request.modern;
  call.began = parts_.loop.now();
  call.deadline.set(call_limit(settings_, limits_));
  call.as_task = request.as_task;
  if (can_send) has_made_tasks_ |= call.as_task;
  const json::Splice splice = addressed(request, id);
  if (can_send && speaks_modern_now() == call.modern) {
    std::string& out = process_->out();
    const std::size_t before = out.size();
    splice.append_to(out);
    join_lines(out, before);
    out += '\n';
    process_->written(out.size() - before);
    call.sent = true;
  } else if (can_send) {
    write_call(call, splice.str());
    call.sent = true;
  } else {
    splice.append_to(call.text);
    held_bytes_ += call.text.size();
    held_.push_back(id);
  }
  return id;
}

// A request of the handshake era to a server of the modern one alone gets the claim that its client could not make; the
// other way round the claim is left out.
void StdioServer::write_call(const Call& call, std::string_view text) {
  constexpr std::size_t kRoomForOurs = 4096;  // the number and the name that were put in
  const json::ParseLimits limits{.bytes = limits_.request_body + kRoomForOurs, .depth = limits_.json_depth};
  const std::string_view level = introduction_.features.logging ? std::string_view(log_level_) : std::string_view();
  std::string line = speaks_modern_now() == call.modern ? std::string(text)
                     : call.modern                      ? Claim::removed_from(text, limits)
                                                        : Claim(level).added_to(text, limits);
  join_lines(line, 0);
  line += '\n';
  process_->write(line);
}

void StdioServer::send_held_calls() {
  for (const CallId id : std::exchange(held_, {})) {
    const auto found = calls_.find(id);
    if (found == calls_.end()) continue;
    write_call(found->second, found->second.text);
    std::string().swap(found->second.text);
    found->second.sent = true;
    has_made_tasks_ |= found->second.as_task;
  }
  held_bytes_ = 0;
}

void StdioServer::forget_held(CallId id, const Call& call) {
  if (call.sent) return;
  held_bytes_ -= call.text.size();
  std::erase(held_, id);
}

void StdioServer::end_call(CallId id, base::Reason reason, const std::string& why) {
  auto node = calls_.extract(id);
  if (node.empty()) return;
  const Call& call = node.mapped();
  forget_held(id, call);
  if (call.sent && reason == base::Reason::call_timeout) send_cancelled(id, "The call took too long");
  metrics_.failures.add();
  call.sink->on_failure({reason, "server " + settings_.name + ": " + why});
}

// A sink may make or cancel calls from within, so the ids are taken first and looked up again.
void StdioServer::fail_calls(bool sent_only, const std::string& why) {
  std::vector<CallId> ids;
  for (const auto& [id, call] : calls_)
    if (call.sent || !sent_only) ids.push_back(id);
  std::ranges::sort(ids);
  for (const CallId id : ids) end_call(id, base::Reason::server_unavailable, why);
}

void StdioServer::cancel(CallId id, std::string_view reason) {
  const auto node = calls_.extract(id);
  if (node.empty()) return;
  forget_held(id, node.mapped());
  if (node.mapped().sent) send_cancelled(id, reason);
}

void StdioServer::send_cancelled(CallId id, std::string_view reason) {
  if (!process_ || !process_->input_open() || process_->pending() > kUnsentBytes) return;
  std::string members = R"("requestId":)" + std::to_string(id);
  if (!reason.empty()) {
    members += R"(,"reason":)";
    json::append_string(members, reason.substr(0, kReasonBytes));
  }
  own_.tell("notifications/cancelled", members);
}

// ---- what else clients want

bool StdioServer::can_hear() const {
  return state_ == State::ready && process_ && process_->input_open();
}

void StdioServer::set_log_level(std::string_view level) {
  log_level_ = level;
  if (can_hear()) send_log_level();
}

// The modern era has no level but that of each request: those that get their claim here have it from there.
void StdioServer::send_log_level() {
  if (speaks_modern_now() || !introduction_.features.logging) return;
  if (log_level_.empty() || log_level_ == log_level_sent_) return;
  log_level_sent_ = log_level_;
  // A server that does not like the level keeps its own.
  own_.ask("logging/setLevel", R"("level":)" + json::quoted(log_level_), [](const OwnRequests::Answer&) {});
}

void StdioServer::subscribe(std::string_view uri) {
  if (!subscriptions_.add(uri) || !can_hear() || !introduction_.features.subscribe) return;
  if (listen_) return listen_->update();
  own_.ask("resources/subscribe", subscription_members(uri), [](const OwnRequests::Answer&) {});
}

void StdioServer::unsubscribe(std::string_view uri) {
  if (!subscriptions_.remove(uri) || !can_hear() || !introduction_.features.subscribe) return;
  if (listen_) return listen_->update();
  own_.ask("resources/unsubscribe", subscription_members(uri), [](const OwnRequests::Answer&) {});
}

// To a process that knows of none yet.
void StdioServer::subscribe_all() {
  if (speaks_modern_now()) {
    listen_.emplace(Listen::Parts{parts_.loop, own_, parts_.log, settings_.name, introduction_, subscriptions_});
    return listen_->update();
  }
  if (!introduction_.features.subscribe) return;
  for (const auto& [uri, count] : subscriptions_.uris())
    own_.ask("resources/subscribe", subscription_members(uri), [](const OwnRequests::Answer&) {});
}

void StdioServer::send(std::string_view message) {
  if (!can_hear() || process_->pending() > kUnsentBytes) return;
  std::string line(message);
  join_lines(line, 0);
  line += '\n';
  process_->write(line);
}

}  // namespace clawql::engine::upstream
