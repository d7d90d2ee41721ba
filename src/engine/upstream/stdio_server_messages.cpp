// What a stdio server says: answers, requests, notifications, and what is neither. All of it is hostile.
#include <algorithm>
#include <array>

#include "engine/upstream/related_task.hpp"
#include "engine/upstream/stdio_server.hpp"

namespace clawql::engine::upstream {
namespace {

constexpr std::size_t kReplyIdBytes = 256;  // a server's own request ids, when we must answer them
constexpr std::size_t kGarbageShown = 120;  // of a dropped line, in the log

constexpr std::string_view kNotFound = R"("error":{"code":-32601,"message":"Method not found"})";

// Of these the observer hears; they belong to no call.
constexpr std::array<std::string_view, 3> kPassedOn{"notifications/resources/updated", "notifications/tasks/status",
                                                    "notifications/elicitation/complete"};

}  // namespace

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

// Null when several are in flight, or none that the server has seen; or when the server may mean a task of another
// client, at which it works without a call.
StdioServer::Call* StdioServer::only_call() {
  if (has_made_tasks_ && role_.kind != Role::Kind::session) return nullptr;
  return calls_.size() == 1 && calls_.begin()->second.sent ? &calls_.begin()->second : nullptr;
}

// An answer that cannot be read (a key twice, bad UTF-8, too deep) is an answer all the same. Its id may not be taken
// from text that is no JSON; but where one call alone can be meant, waiting for its time limit helps nobody.
void StdioServer::fail_only_call(std::string_view why, std::string_view line) {
  const auto has = [line](std::string_view part) { return line.find(part) != std::string_view::npos; };
  const auto begin = line.find_first_not_of(" \t");
  const bool answers = begin != std::string_view::npos && line[begin] == '{' && has("\"jsonrpc\"") &&
                       (has("\"result\"") || has("\"error\"")) && !has("\"method\"");
  if (!answers || own_.awaits_answer() || only_call() == nullptr) return;
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
    case ServerMessage::Kind::request: return on_request(document, message);
    case ServerMessage::Kind::notification: return on_notification(document, message);
    case ServerMessage::Kind::nothing: return;  // never handed over
  }
}

void StdioServer::on_answer(const json::Document& document, const ServerMessage& message) {
  const auto id = message.id.uint64();
  if (!id || *id == 0 || *id >= next_id_) return count_protocol_error("an answer to a request that was never made");
  const auto found = calls_.find(*id);
  if (found == calls_.end() || !found->second.sent) {
    if (own_.take(*id, document, message)) {
      if (!message.fault.empty()) count_protocol_error(message.fault);
    } else {
      metrics_.late_answers.add();
    }
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

// ---- requests

void StdioServer::on_request(const json::Document& document, const ServerMessage& message) {
  if (message.id.raw().size() > kReplyIdBytes) return count_protocol_error("a request with a very long id");
  if (message.method.equals("ping")) return reply(message.id, R"("result":{})");
  const ClientFeature* const feature = OfferedFeatures::asked_by(message.method);
  if (feature != nullptr && !speaks_modern_now() && offered_.has(*feature))
    return parts_.observer.on_request(*this, document);
  reply(message.id, kNotFound);
  if (feature == nullptr) return;
  if (Call* const call = only_call()) call->sink->on_request_refused(feature->name);
}

void StdioServer::reply(json::Value id, std::string_view rest) {
  if (!process_->input_open() || process_->pending() > kUnsentReplyBytes) return;
  std::string line = R"({"jsonrpc":"2.0","id":)" + std::string(id.raw()) + ",";
  line.append(rest).append("}\n");
  process_->write(line);
}

// ---- notifications

void StdioServer::on_notification(const json::Document& document, const ServerMessage& message) {
  const json::Value method = message.method;
  if (method.equals("notifications/progress")) return on_progress(document);
  if (method.equals("notifications/message")) return on_log(document);
  if (speaks_modern_now() && !on_listened(document, method)) return;
  if (lists_) {
    if (method.equals("notifications/tools/list_changed")) return lists_->changed(ListKind::tools);
    if (method.equals("notifications/prompts/list_changed")) return lists_->changed(ListKind::prompts);
    if (method.equals("notifications/resources/list_changed")) {
      lists_->changed(ListKind::resources);
      return lists_->changed(ListKind::templates);
    }
  }
  const bool takes_back = offered_.any() && method.equals("notifications/cancelled");  // a request of its own
  if (takes_back || std::ranges::any_of(kPassedOn, [&](std::string_view each) { return method.equals(each); }))
    parts_.observer.on_notification(*this, document);
}

void StdioServer::on_progress(const json::Document& document) {
  const json::Value params = document.root().find("params");
  const auto token = params.find("progressToken").uint64();
  const auto found = token ? calls_.find(*token) : calls_.end();
  if (found == calls_.end()) {
    // The token of a call that became a task is good for as long as the task (basic/utilities/tasks).
    if (names_task(params) && stray_rate_.take(parts_.loop.now())) parts_.observer.on_notification(*this, document);
    return;
  }
  if (!found->second.sent || !found->second.wants_progress) return;
  found->second.sink->on_notification(document);
}

// Nothing in it says for whom it is, but that of a task. With one call in flight there is no doubt; else nobody but us
// may see it. A client of 2026-07-28 that named no level must be told nothing.
void StdioServer::on_log(const json::Document& document) {
  Call* const call = names_task(document.root().find("params")) ? nullptr : only_call();
  if (call != nullptr && call->wants_log)
    call->sink->on_notification(document);
  else if (stray_rate_.take(parts_.loop.now()))
    parts_.observer.on_notification(*this, document);
}

// In the modern era nothing counts but what comes on our listen. False when this is to go no further.
bool StdioServer::on_listened(const json::Document& document, json::Value method) {
  if (!listen_) return false;
  const json::Value params = document.root().find("params");
  if (method.equals("notifications/subscriptions/acknowledged"))
    listen_->acknowledged(params);
  else if (method.equals("notifications/cancelled"))
    listen_->cancelled(params);
  else
    return listen_->covers(params);
  return false;
}

}  // namespace clawql::engine::upstream
