#include "engine/line/asks.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "engine/line/call.hpp"
#include "engine/line/tasks.hpp"
#include "engine/upstream/related_task.hpp"
#include "json/removal.hpp"
#include "json/writer.hpp"

namespace clawql::engine::line {
namespace {

constexpr int kInternalError = -32603;
constexpr int kInvalidParams = -32602;
constexpr std::string_view kElicitation = "elicitation/create";

std::string error_for_server(std::string_view raw_id, int code, std::string_view why) {
  return fmt::format(R"({{"jsonrpc":"2.0","id":{},"error":{{"code":{},"message":"{}"}}}})", raw_id, code, why);
}

}  // namespace

// ---- the server asks

void Asks::ask(upstream::OwnServer& server, json::Value request) {
  const std::string_view id = request.find("id").raw();
  const std::string method = request.find("method").string().value_or(std::string{});
  const json::Value params = request.find("params");
  const json::Value token = params.find("_meta").find("progressToken");
  if ((token && !mcp::is_lawful_id(token)) || !mcp::is_lawful_id(request.find("id")))
    return refuse(server, id, method, kInvalidParams, "Invalid params");
  if (method == kElicitation && params.find("mode").equals("url") && !takes_urls_)
    return refuse(server, id, method, kInvalidParams, "The client does not take elicitation by URL");
  if (open_.size() >= kMost) return refuse(server, id, method, kInternalError, "Too many requests wait for the client");

  const std::uint64_t number = ++asked_;
  auto ask = std::make_unique<Ask>(server, core_.loop, [this, name = std::to_string(number)] {
    if (const Ask* const late = find(name))
      finish(*late, {audit::Outcome::error, "timeout", "The client did not answer in time"});
  });
  ask->number = std::to_string(number);
  ask->id = id;
  ask->method = method;
  if (token) ask->token = token.raw();
  ask->call = call_for(server, params);
  ask->began = core_.loop.now();

  mcp::Spliced message(request.raw(), id, ask->number);
  if (token) message.replace(token.raw(), ask->number);
  const auto related = mcp::RelatedTask::towards_client(scope_of(core_, session_, server), params);
  related.apply(message);
  if (related.is_there() && !related.is_unknown()) ask->task = upstream::related_task(params).find("taskId").raw();
  // Nobody told it that the client makes tasks, so it gets an answer as to any other question.
  if (const std::string_view wish = json::removal_of(params, "task"); !wish.empty()) message.replace(wish, {});
  // Who asks must be shown (client/elicitation, "User Interaction Model"): the client itself knows but the gateway.
  const std::string shown = "[" + server.name() + "] ";
  const json::Value text = params.find("message");
  if (method == kElicitation && !server.prefix().empty() && text.is(json::Kind::string))
    message.replace(text.raw().substr(1, 0), shown);

  if (!core_.auditor.asked(session_, server.name(), method, audit::Outcome::intent, {}, -1))
    return refuse(server, id, method, kInternalError, "The request cannot be recorded");
  if (!deliver(ask->call, message))
    return refuse(server, id, method, kInternalError, "The client cannot be reached now");
  core_.metrics.asks.add();
  ask->limit.set(time_limit(server));
  open_.push_back(std::move(ask));
}

void Asks::refuse(upstream::OwnServer& server, std::string_view id, std::string_view method, int code,
                  std::string_view why) {
  core_.metrics.asks_refused.add();
  core_.auditor.asked(session_, server.name(), method, audit::Outcome::refused, why, -1);
  server.send(error_for_server(id, code, why));
}

// A call that waits for its answer still, and whose client is there to hear.
const Call* Asks::newest_call(const upstream::OwnServer& server) const {
  const Call* newest = nullptr;
  for (const auto& pending : session_.pending()) {
    const auto* const call = dynamic_cast<const Call*>(pending.get());
    if (call == nullptr || &call->server() != &server || call->asker() == nullptr) continue;
    if (call->method() == mcp::Method::tasks_get || call->method() == mcp::Method::tasks_cancel) continue;
    if (newest == nullptr || call->upstream_id() > newest->upstream_id()) newest = call;
  }
  return newest;
}

// Of a task: that which waits for its result, if any. No other outlives the question for sure.
const Call* Asks::call_for(const upstream::OwnServer& server, json::Value params) const {
  const auto id = upstream::related_task(params).find("taskId").string();
  const auto task =
      id ? core_.common.tasks.find_upstream(server.generation(), *id, core_.loop.now()) : std::optional<mcp::Task>();
  return task ? call_for_result(session_, task->id) : newest_call(server);
}

bool Asks::deliver(const Call* call, const mcp::Spliced& message) {
  if (call != nullptr && call->asker() != nullptr && call->asker()->notify(message)) return true;
  mcp::MessageStream* const stream = session_.newest_stream();
  if (stream == nullptr) return false;
  std::string whole;
  message.append_to(whole);
  return stream->send(whole);
}

// What nobody has to answer may wait for the client to come back.
bool Asks::say(const Call* call, const mcp::Spliced& notification) {
  if (call != nullptr && call->asker() != nullptr && call->asker()->notify(notification)) return true;
  std::string whole;
  notification.append_to(whole);
  return session_.tell(whole);
}

base::Milliseconds Asks::time_limit(const upstream::OwnServer& server) const {
  const mcp::ServerSlot* const slot = session_.view().slot(server);
  return std::chrono::seconds(slot != nullptr && slot->call_seconds > 0 ? slot->call_seconds
                                                                        : core_.limits.call_seconds);
}

void Asks::taken_back(const upstream::OwnServer& server, json::Value notification) {
  const json::Value id = notification.find("params").find("requestId");
  if (!id) return;
  const auto found =
      std::ranges::find_if(open_, [&](const auto& ask) { return &ask->server == &server && ask->id == id.raw(); });
  if (found == open_.end()) return;
  const std::unique_ptr<Ask> ask = take(**found);
  record(*ask, audit::Outcome::cancelled, "the server took it back");
  mcp::Spliced message(notification.raw(), id.raw(), ask->number);
  const auto related = mcp::RelatedTask::towards_client(scope_of(core_, session_, server), notification.find("params"));
  related.apply(message);
  if (!say(ask->call, message)) core_.metrics.notifications_dropped.add();
}

void Asks::tell(const upstream::OwnServer& server, json::Value notification) {
  const json::Value params = notification.find("params");
  mcp::Spliced message(notification.raw());
  const auto related = mcp::RelatedTask::towards_client(scope_of(core_, session_, server), params);
  related.apply(message);
  if (!say(call_for(server, params), message)) core_.metrics.notifications_dropped.add();
}

// ---- the client answers

void Asks::answered(const mcp::Message& response) {
  const Ask* const found = response.id().empty() ? nullptr : find(response.id());
  if (found == nullptr) return core_.metrics.client_answers_dropped.add();
  const std::unique_ptr<Ask> ask = take(*found);
  if (ask->generation != ask->server.generation())
    return record(*ask, audit::Outcome::error, "the server has ended meanwhile");
  record(*ask, response.is_error() ? audit::Outcome::error : audit::Outcome::success, {});
  std::string text;
  mcp::Spliced answer(response.text(), response.id(), ask->id);
  const auto related = mcp::RelatedTask::as(ask->task, response.result());
  related.apply(answer);
  answer.append_to(text);
  ask->server.send(text);
}

void Asks::progressed(const mcp::Message& notification) {
  const json::Value token = notification.params().find("progressToken");
  const Ask* const ask = token ? find(token.raw()) : nullptr;
  if (ask == nullptr || ask->token.empty() || ask->generation != ask->server.generation())
    return core_.metrics.client_answers_dropped.add();
  std::string text;
  mcp::Spliced message(notification.text(), token.raw(), ask->token);
  const auto related = mcp::RelatedTask::as(ask->task, notification.params());
  related.apply(message);
  message.append_to(text);
  ask->server.send(text);
}

// ---- ends

Asks::Ask* Asks::find(std::string_view number) const {
  const auto found = std::ranges::find_if(open_, [&](const auto& ask) { return ask->number == number; });
  return found == open_.end() ? nullptr : found->get();
}

std::unique_ptr<Asks::Ask> Asks::take(const Ask& ask) {
  const auto found = std::ranges::find_if(open_, [&](const auto& each) { return each.get() == &ask; });
  std::unique_ptr<Ask> taken = std::move(*found);
  open_.erase(found);
  return taken;
}

void Asks::finish(const Ask& ask, const Ending& ending) {
  const std::unique_ptr<Ask> taken = take(ask);
  record(*taken, ending.outcome, ending.reason);
  if (!ending.to_server.empty() && taken->generation == taken->server.generation())
    taken->server.send(error_for_server(taken->id, kInternalError, ending.to_server));
  if (!ending.tell_client) return;
  const std::string cancelled =
      fmt::format(R"({{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{},"reason":"{}"}}}})",
                  taken->number, ending.reason);
  say(taken->call, mcp::Spliced(cancelled));
}

template <class Wanted>
void Asks::finish_all(Wanted wanted, const Ending& ending) {
  std::vector<const Ask*> over;
  for (const auto& ask : open_)
    if (wanted(*ask)) over.push_back(ask.get());
  for (const Ask* const ask : over) finish(*ask, ending);
}

void Asks::call_ended(const Call& call) {
  for (const auto& ask : open_)
    if (ask->call == &call && !ask->task.empty()) ask->call = nullptr;
  finish_all([&](const Ask& ask) { return ask.call == &call; },
             {audit::Outcome::cancelled, "the call is over", "The call is over"});
}

void Asks::restarted(const upstream::OwnServer& server) {
  finish_all([&](const Ask& ask) { return &ask.server == &server && ask.generation != server.generation(); },
             {audit::Outcome::error, "the server has ended", {}});
}

void Asks::server_ended(const upstream::OwnServer& server) {
  finish_all([&](const Ask& ask) { return &ask.server == &server; },
             {audit::Outcome::cancelled, "the server was removed", {}});
}

void Asks::end() {
  finish_all([](const Ask&) { return true; },
             {audit::Outcome::cancelled, "the session is over", "The session is over", false});
}

void Asks::record(const Ask& ask, audit::Outcome outcome, std::string_view reason) {
  core_.auditor.asked(session_, ask.server.name(), ask.method, outcome, reason, (core_.loop.now() - ask.began).count());
}

}  // namespace clawql::engine::line
