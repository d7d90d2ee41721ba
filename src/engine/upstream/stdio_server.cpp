#include "engine/upstream/stdio_server.hpp"

#include <algorithm>

#include "json/writer.hpp"

namespace clawql::engine::upstream {
namespace {

constexpr std::size_t kReplyIdBytes = 256;  // a server's own request ids, when we must answer them
constexpr std::size_t kReasonBytes = 256;   // of a cancellation, towards the server
constexpr std::size_t kGarbageShown = 120;  // of a dropped line, in the log
constexpr std::size_t kStatusStderrLines = 5;

// The framing is one message a line. Raw line breaks can stand in a client's JSON only between its tokens, where a
// blank means the same.
void join_lines(std::string& out, std::size_t from) {
  for (const char line_break : {'\n', '\r'})
    for (auto at = out.find(line_break, from); at != std::string::npos; at = out.find(line_break, at)) out[at] = ' ';
}

json::Splice addressed(const OutgoingRequest& request, CallId id) {
  json::Splice splice(request.text);
  const std::string number = std::to_string(id);
  splice.replace(request.id, number);
  if (request.progress_token) splice.replace(*request.progress_token, number);
  for (const auto& [slice, replacement] : request.edits) splice.replace(slice, replacement);
  return splice;
}

}  // namespace

StdioServer::StdioServer(Parts parts, const ipc::ServerSettings& settings, const base::Limits& limits, Role role)
    : parts_(parts),
      settings_(settings),
      role_(std::move(role)),
      limits_(limits),
      metrics_(parts.metrics, settings.name),
      grace_(parts.loop, [this] { on_grace_over(); }),
      restart_(parts.loop, [this] { parts_.launcher.restart(settings_.name, kShared); }),
      own_deadline_(parts.loop, [this] { on_own_deadline(); }),
      refetch_(parts.loop, [this] { request_refetch(); }),
      offer_(std::make_shared<const Offer>()) {}

StdioServer::~StdioServer() = default;

base::Milliseconds StdioServer::call_limit() const {
  const std::uint64_t seconds = settings_.call_seconds != 0 ? settings_.call_seconds : limits_.call_seconds;
  return std::chrono::seconds(seconds);
}

Description StdioServer::describe() const {
  return {.name = settings_.name,
          .kind = "stdio",
          .state = state_,
          .reason = reason_,
          .last_stderr = stderr_tail_.last(kStatusStderrLines),
          .server_name = server_name_,
          .server_version = server_version_,
          .protocol_version = protocol_version_,
          .tools = offer_->list(ListKind::tools).size(),
          .resources = offer_->list(ListKind::resources).size(),
          .prompts = offer_->list(ListKind::prompts).size(),
          .calls_in_flight = calls_.size(),
          .calls = calls_total_,
          .starts = starts_,
          .protocol_errors = protocol_errors_,
          .not_offered = {"sampling", "elicitation", "roots"}};
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
  wake();
  if (state_ == State::failed) return refuse(sink, base::Reason::server_unavailable, reason_);
  const bool can_send = state_ == State::ready && process_ && process_->input_open();
  if (can_send && process_->pending() > kUnsentBytes)
    return refuse(sink, base::Reason::overloaded, "it does not read what was sent to it");
  if (!can_send && (held_.size() >= kWaitingCalls || held_bytes_ + request.text.size() > kWaitingBytes))
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
  call.began = parts_.loop.now();
  call.deadline.set(call_limit());
  const json::Splice splice = addressed(request, id);
  if (can_send) {
    std::string& out = process_->out();
    const std::size_t before = out.size();
    splice.append_to(out);
    join_lines(out, before);
    out += '\n';
    call.sent = true;
    process_->written(out.size() - before);
  } else {
    splice.append_to(call.text);
    join_lines(call.text, 0);
    call.text += '\n';
    held_bytes_ += call.text.size();
    held_.push_back(id);
  }
  return id;
}

void StdioServer::send_held_calls() {
  for (const CallId id : std::exchange(held_, {})) {
    const auto found = calls_.find(id);
    if (found == calls_.end()) continue;
    process_->write(found->second.text);
    std::string().swap(found->second.text);
    found->second.sent = true;
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

void StdioServer::subscribe(std::string_view /*uri*/) {}

void StdioServer::unsubscribe(std::string_view /*uri*/) {}

void StdioServer::send(std::string_view message) {
  if (!process_ || !process_->input_open() || process_->pending() > kUnsentBytes) return;
  std::string line(message);
  join_lines(line, 0);
  line += '\n';
  process_->write(line);
}

void StdioServer::send_cancelled(CallId id, std::string_view reason) {
  if (!process_ || !process_->input_open() || process_->pending() > kUnsentBytes) return;
  std::string line =
      R"({"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":)" + std::to_string(id);
  if (!reason.empty()) {
    line += R"(,"reason":)";
    json::append_string(line, reason.substr(0, kReasonBytes));
  }
  line += "}}\n";
  process_->write(line);
}

// ---- what the server says

void StdioServer::count_protocol_error(std::string_view what) {
  ++protocol_errors_;
  metrics_.protocol_errors.add();
  if (!garbage_rate_.take(parts_.loop.now())) return;
  parts_.log.warning("server.protocol-error",
                     {{"server", settings_.name}, {"why", what}, {"unreported", garbage_rate_.take_suppressed()}});
}

void StdioServer::on_garbage(std::string_view why, std::string_view line) {
  ++protocol_errors_;
  metrics_.protocol_errors.add();
  fail_only_call(why, line);
  if (!garbage_rate_.take(parts_.loop.now())) return;
  // What looks like a message may hold somebody's data; a stray print does not.
  const auto begin = line.find_first_not_of(" \t");
  const bool printed = begin != std::string_view::npos && line[begin] != '{' && line[begin] != '[';
  parts_.log.warning("server.garbage", {{"server", settings_.name},
                                        {"why", why},
                                        {"line", printed ? line.substr(0, kGarbageShown) : "(not shown)"},
                                        {"bytes", std::uint64_t{line.size()}},
                                        {"unreported", garbage_rate_.take_suppressed()}});
}

// An answer that cannot be read (a key twice, bad UTF-8, too deep) is an answer all the same. Its id may not be taken
// from text that is no JSON; but where one call alone can be meant, waiting for its time limit helps nobody.
void StdioServer::fail_only_call(std::string_view why, std::string_view line) {
  const auto has = [line](std::string_view part) { return line.find(part) != std::string_view::npos; };
  const auto begin = line.find_first_not_of(" \t");
  const bool answers = begin != std::string_view::npos && line[begin] == '{' && has("\"jsonrpc\"") &&
                       (has("\"result\"") || has("\"error\"")) && !has("\"method\"");
  if (!answers || !own_requests_.empty() || calls_.size() != 1 || !calls_.begin()->second.sent) return;
  // What is JSON but no message of ours (an id of another type) says for itself that it is for nobody.
  if (json::Document::parse(line, {.bytes = limits_.server_message, .depth = limits_.json_depth})) return;
  end_call(calls_.begin()->first, base::Reason::server_unavailable, "its answer cannot be read: " + std::string(why));
}

void StdioServer::on_stderr(std::string_view bytes) {
  for (const std::string& line : stderr_tail_.feed(bytes)) {
    if (!stderr_rate_.take(parts_.loop.now())) continue;
    parts_.log.info("server.stderr",
                    {{"server", settings_.name}, {"line", line}, {"unreported", stderr_rate_.take_suppressed()}});
  }
}

void StdioServer::on_message(const json::Document& document, const ServerMessage& message) {
  switch (message.kind) {
    case ServerMessage::Kind::answer: return on_answer(document, message);
    case ServerMessage::Kind::request: return on_request(message);
    case ServerMessage::Kind::notification: return on_notification(document, message);
    case ServerMessage::Kind::nothing: return;  // never handed over
  }
}

void StdioServer::on_answer(const json::Document& document, const ServerMessage& message) {
  const auto id = message.id.uint64();
  if (!id || *id == 0 || *id >= next_id_) return count_protocol_error("an answer to a request that was never made");
  if (const auto own = std::ranges::find(own_requests_, *id, &OwnRequest::id); own != own_requests_.end()) {
    const Own what = own->what;
    own_requests_.erase(own);
    return on_own_answer(what, document, message);
  }
  const auto found = calls_.find(*id);
  if (found == calls_.end() || !found->second.sent) {
    metrics_.late_answers.add();
    return;
  }
  if (!message.fault.empty()) {
    count_protocol_error(message.fault);
    return end_call(*id, base::Reason::server_unavailable, "it answered with " + std::string(message.fault));
  }
  const auto node = calls_.extract(found);
  metrics_.latency.observe_microseconds(static_cast<std::uint64_t>((parts_.loop.now() - node.mapped().began).count()));
  node.mapped().sink->on_response(document);
}

// It was offered no client feature, so there is nothing but ping that it may ask.
void StdioServer::on_request(const ServerMessage& message) {
  const std::string_view id = message.id.raw();
  if (id.size() > kReplyIdBytes) return count_protocol_error("a request with a very long id");
  if (!process_->input_open() || process_->pending() > kUnsentReplyBytes) return;
  std::string line = R"({"jsonrpc":"2.0","id":)" + std::string(id);
  line +=
      message.method.equals("ping") ? R"(,"result":{}})" : R"(,"error":{"code":-32601,"message":"Method not found"}})";
  line += '\n';
  process_->write(line);
}

void StdioServer::on_notification(const json::Document& document, const ServerMessage& message) {
  if (message.method.equals("notifications/progress")) {
    const auto token = document.root().find("params").find("progressToken").uint64();
    const auto found = token ? calls_.find(*token) : calls_.end();
    if (found == calls_.end() || !found->second.sent || !found->second.wants_progress) return;
    found->second.sink->on_notification(document);
  } else if (message.method.equals("notifications/message")) {
    // Nothing in it says for whom it is. With one call in flight there is no doubt; else nobody but us may see it.
    if (calls_.size() == 1 && calls_.begin()->second.sent)
      calls_.begin()->second.sink->on_notification(document);
    else if (stray_rate_.take(parts_.loop.now()))
      parts_.observer.on_notification(*this, document);
  } else if (message.method.equals("notifications/tools/list_changed")) {
    if (features_.tools) request_refetch();
  }
}

}  // namespace clawql::engine::upstream
