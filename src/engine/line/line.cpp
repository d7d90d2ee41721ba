// identify → grant body → json scan → era + method → policy → audit intent → route → upstream → audit outcome → answer
//
// The first two steps are the transport's (exchange_*.cpp: no more than 64 KiB of body come before the caller is
// known), the last three are the call's own (call.cpp). What stands between is here, in this order.
#include "engine/line/line.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "engine/line/call.hpp"
#include "engine/line/waiting.hpp"
#include "engine/mcp/replies.hpp"
#include "engine/mcp/versions.hpp"

namespace clawql::engine::line {

using base::Reason;

void Line::take(const IdentifiedRequest& who, const Carriage& carriage, std::string_view text, Caller& caller) {
  if (core_.draining) return refuse_whole(who, carriage.session, caller, Reason::draining, {}, {});

  // json scan
  const auto document = json::Document::parse(
      text, {.bytes = core_.limits.request_body, .depth = static_cast<std::size_t>(core_.limits.json_depth)});
  if (!document) return refuse_whole(who, carriage.session, caller, Reason::json_invalid, {}, document.error().why);

  // era and method: the handshake era alone is served so far; a message of 2026-07-28 has no session and is refused as
  // a message without one.
  if (document->root().is(json::Kind::array)) return take_batch(who, carriage, document->root(), caller);
  const auto message = mcp::Message::read(document->root());
  if (!message)
    return refuse_whole(who, carriage.session, caller, message.error().reason, message.error().id, "not JSON-RPC");
  core_.metrics.request(message->method());
  if (message->kind() == mcp::MessageKind::request && message->method() == mcp::Method::initialize)
    return initialize(who, carriage, *message, caller);

  const auto request = McpRequest::admit(who, *message, carriage, core_.sessions);
  if (!request) return without_session(who, carriage, *message, request.error(), caller);
  request->session().touch(core_.loop.now());
  switch (message->kind()) {
    case mcp::MessageKind::request: {
      if (request->session().find(message->id()) != nullptr)
        return refuse_whole(who, &request->session(), caller, Reason::request_id_in_use, message->id(), {});
      caller.serve(request->session());
      return answer(*request, caller, true);
    }
    case mcp::MessageKind::notification: notified(*request); return caller.accepted();
    case mcp::MessageKind::response: return caller.accepted();  // nothing was asked of the client: dropped
  }
}

void Line::answer(const McpRequest& request, mcp::Asker& asker, bool may_wait) {
  switch (request.message().method()) {
    case mcp::Method::ping: asker.respond(mcp::Spliced(mcp::empty_result(request.message().id())), 200); return;
    case mcp::Method::tools_list: return list_tools(request, asker, may_wait);
    case mcp::Method::tools_call: return call_tool(request, asker, may_wait);
    case mcp::Method::logging_set_level: return set_level(request, asker);
    case mcp::Method::initialize:  // in a batch; alone it never comes here
      return refuse(request, asker, Reason::session_already_initialized);
    case mcp::Method::notify_initialized:
    case mcp::Method::notify_cancelled:
    case mcp::Method::notify_progress:
    case mcp::Method::notify_roots_changed:
    case mcp::Method::other: return refuse(request, asker, Reason::method_unknown, request.message().method_raw());
  }
}

void Line::call_tool(const McpRequest& request, mcp::Asker& asker, bool may_wait) {
  // policy
  const auto allowed = AllowedCall::allow(request, *core_.catalog);
  if (!allowed) {
    const bool may_come = allowed.error() == Reason::tool_unknown && may_wait;
    if (may_come) core_.wake_servers();
    if (may_come && core_.worth_waiting()) return wait(request, asker);
    const json::Value name = request.message().params().find("name");
    return refuse(request, asker, allowed.error(), name ? name.raw() : std::string_view{});
  }
  if (!core_.has_room_for_request(request.session())) return refuse(request, asker, Reason::too_many_requests);

  // audit intent: nothing goes upstream without it
  CallFacts facts = core_.auditor.facts_of(*allowed);
  if (!core_.auditor.intent(facts, allowed->arguments_raw(), request.message().text().size()))
    return refuse(request, asker, Reason::audit_unavailable);

  // route → upstream; audit outcome → answer follow in call.cpp
  auto call = std::make_unique<Call>(core_, *allowed, std::move(facts), asker);
  Call& sent = *call;
  request.session().add(std::move(call));
  Call::send(sent, *allowed);
}

void Line::list_tools(const McpRequest& request, mcp::Asker& asker, bool may_wait) {
  if (may_wait) core_.wake_servers();
  if (may_wait && core_.worth_waiting()) return wait(request, asker);
  std::size_t first = 0;
  if (const json::Value cursor = request.message().params().find("cursor")) {
    const auto position = core_.cursors.open(cursor.string().value_or(std::string{}));
    if (!position || position->generation != core_.catalog->generation())
      return refuse(request, asker, Reason::params_invalid, "cursor");
    first = position->index;
  }
  const auto page = core_.catalog->page(first);
  if (!page) return refuse(request, asker, Reason::params_invalid, "cursor");
  std::string next;
  if (page->next != 0) next = core_.cursors.seal({core_.catalog->generation(), page->next});
  const std::string response = mcp::tools_page(request.message().id(), page->items, next);
  asker.respond(mcp::Spliced(response), 200);
}

void Line::set_level(const McpRequest& request, mcp::Asker& asker) {
  const auto text = request.message().params().find("level").string();
  const auto level = mcp::parse_log_level(text.value_or(std::string{}));
  if (!level) return refuse(request, asker, Reason::params_invalid, "level");
  request.session().log_level = level;
  apply_log_level();
  asker.respond(mcp::Spliced(mcp::empty_result(request.message().id())), 200);
}

// A shared server is asked for what the most curious session wants; the others' share is filtered (call.cpp).
void Line::apply_log_level() {
  std::optional<mcp::LogLevel> least;
  core_.sessions.for_each([&](mcp::Session& session) {
    if (session.log_level && (!least || *session.log_level < *least)) least = session.log_level;
  });
  if (core_.common.log_levels.set(core_.number, least) && core_.on_level_changed) core_.on_level_changed();
  apply_common_log_level();
}

void Line::apply_common_log_level() {
  const auto least = core_.common.log_levels.least();
  if (!least) return;
  for (const ServerSlot& slot : core_.servers)
    if (slot.server->has_logging()) slot.server->set_log_level(mcp::to_string(*least));
}

void Line::notified(const McpRequest& request) {
  if (request.message().method() == mcp::Method::notify_cancelled) cancelled(request);
}

// A cancellation of what is not (or no longer) in flight is no error: it may have crossed the answer.
void Line::cancelled(const McpRequest& request) {
  const json::Value params = request.message().params();
  const json::Value wanted = params.find("requestId");
  if (!mcp::is_lawful_id(wanted)) return;
  mcp::Pending* pending = request.session().find(wanted.raw());
  if (pending == nullptr) return;
  const std::unique_ptr<mcp::Pending> taken = request.session().take(*pending);
  forget_waiting(*taken);
  taken->stop(Reason::call_cancelled, params.find("reason").string().value_or(std::string{}).substr(0, 256));
  core_.metrics.refused(Reason::call_cancelled);
  if (taken->asker() != nullptr) taken->asker()->withdraw();
}

// ---- sessions

void Line::initialize(const IdentifiedRequest& who, const Carriage& carriage, const mcp::Message& message,
                      Caller& caller) {
  if (carriage.session != nullptr || carriage.session_id) {
    const auto session = McpRequest::find_session(who, carriage, core_.sessions);
    const Reason reason = session ? Reason::session_already_initialized : session.error();
    return refuse_whole(who, session ? *session : nullptr, caller, reason, message.id(), {});
  }
  const json::Value params = message.params();
  const auto wanted = params.find("protocolVersion").string();
  const json::Value capabilities = params.find("capabilities");
  const json::Value client = params.find("clientInfo");
  if (!wanted || (capabilities && !capabilities.is(json::Kind::object)) || (client && !client.is(json::Kind::object)))
    return refuse_whole(who, nullptr, caller, Reason::params_invalid, message.id(), "initialize");
  // A quarter is kept for the others, so that no principal alone can shut everybody else out.
  const std::uint64_t share = core_.limits.sessions - core_.limits.sessions / 4;
  if (core_.common.sessions.load(std::memory_order_relaxed) >= core_.limits.sessions ||
      who.principal().sessions >= share)
    return refuse_whole(who, nullptr, caller, Reason::session_limit, message.id(), {});

  const auto session = core_.sessions.open(who.principal(), mcp::negotiate(*wanted), core_.loop.now());
  if (!session) {
    core_.log.error("session.failed", {{"why", session.error().message}});
    return refuse_whole(who, nullptr, caller, Reason::internal, message.id(), session.error().message);
  }
  core_.auditor.session(who, **session, "session.opened");
  core_.common.sessions.fetch_add(1, std::memory_order_relaxed);
  core_.metrics.sessions.add(1);
  caller.welcome(**session);
  const std::string response = mcp::initialize_result(message.id(), (*session)->version());
  caller.respond(mcp::Spliced(response), 200);
}

std::expected<mcp::Session*, Reason> Line::find_session(const IdentifiedRequest& who, const Carriage& carriage) {
  auto session = McpRequest::find_session(who, carriage, core_.sessions);
  if (!session) count_refusal(who, nullptr, session.error(), "session", {});
  if (session) (*session)->touch(core_.loop.now());
  return session;
}

void Line::without_session(const IdentifiedRequest& who, const Carriage& carriage, const mcp::Message& message,
                           Reason reason, Caller& caller) {
  if (!carriage.lines) {
    const std::string_view detail = carriage.protocol_version && reason == Reason::version_header
                                        ? *carriage.protocol_version
                                        : message.method_raw();
    return refuse_whole(who, nullptr, caller, reason, message.id(), detail);
  }
  // A byte stream before initialize: ping is answered, whatever else asks is told that there is no such method (never
  // -32022, which would say that we speak 2026-07-28), and what does not ask is ignored.
  if (message.kind() != mcp::MessageKind::request) return caller.accepted();
  if (message.method() != mcp::Method::ping)
    return refuse_whole(who, nullptr, caller, Reason::method_unknown, message.id(), message.method_raw());
  caller.respond(mcp::Spliced(mcp::empty_result(message.id())), 200);
}

void Line::end_session(mcp::Session& session, std::string_view subtype) {
  while (const std::unique_ptr<mcp::Pending> pending = session.take_any()) {
    forget_waiting(*pending);
    pending->stop(Reason::call_cancelled, "session ended");
    if (pending->asker() == nullptr) continue;
    const std::string error = mcp::error_response(pending->id(), Reason::call_cancelled);
    pending->asker()->respond(mcp::Spliced(error), 200);
  }
  while (mcp::MessageStream* stream = session.newest_stream()) stream->close();
  core_.auditor.session_ended(session, subtype);
  core_.sessions.close(session);
  core_.common.sessions.fetch_sub(1, std::memory_order_relaxed);
  core_.metrics.sessions.add(-1);
}

// ---- batches (2025-03-26 alone)

void Line::take_batch(const IdentifiedRequest& who, const Carriage& carriage, json::Value array, Caller& caller) {
  const auto session = McpRequest::find_session(who, carriage, core_.sessions);
  if (!session)
    return refuse_whole(who, nullptr, caller, carriage.lines ? Reason::message_invalid : session.error(), {}, "batch");
  if (!mcp::allows_batches((*session)->version()))
    return refuse_whole(who, *session, caller, Reason::message_invalid, {}, "batch");

  std::vector<mcp::Message> messages;
  std::vector<std::string_view> ids;
  for (const json::Value element : array.elements()) {
    const auto message = mcp::Message::read(element);
    if (!message) return refuse_whole(who, *session, caller, Reason::message_invalid, {}, "batch element");
    if (message->kind() == mcp::MessageKind::request) {
      if (message->method() == mcp::Method::initialize)
        return refuse_whole(who, *session, caller, Reason::message_invalid, {}, "initialize in a batch");
      // Looked at before the ids are compared with each other, so that there are never many of them.
      if (ids.size() >= core_.limits.in_flight_session)
        return refuse_whole(who, *session, caller, Reason::too_many_requests, {}, "batch");
      if ((*session)->find(message->id()) != nullptr || std::ranges::find(ids, message->id()) != ids.end())
        return refuse_whole(who, *session, caller, Reason::request_id_in_use, message->id(), "batch");
      ids.push_back(message->id());
    }
    messages.push_back(*message);
  }
  if (messages.empty()) return refuse_whole(who, *session, caller, Reason::message_invalid, {}, "empty batch");

  (*session)->touch(core_.loop.now());
  caller.serve(**session);
  mcp::Asker* asker = ids.empty() ? nullptr : &caller.batch(ids.size());
  for (const mcp::Message& message : messages) {
    core_.metrics.request(message.method());
    const McpRequest request(who, message, **session);
    if (message.kind() == mcp::MessageKind::request) answer(request, *asker, true);
    if (message.kind() == mcp::MessageKind::notification) notified(request);
  }
  if (asker == nullptr) caller.accepted();
}

// ---- waiting for servers that start

void Line::wait(const McpRequest& request, mcp::Asker& asker) {
  if (!core_.has_room_for_request(request.session())) return refuse(request, asker, Reason::too_many_requests);
  auto waiting = std::make_unique<Waiting>(core_, request, asker);
  waiting_.push_back(waiting.get());
  request.session().add(std::move(waiting));
}

void Line::wake_waiting(bool all) {
  if (!all && core_.worth_waiting()) return;
  for (mcp::Pending* pending : std::exchange(waiting_, {})) {
    auto& waiting = static_cast<Waiting&>(*pending);
    mcp::Session& session = waiting.session();
    const std::unique_ptr<mcp::Pending> taken = session.take(waiting);
    if (waiting.asker() == nullptr) {
      core_.metrics.answers_dropped.add();
      continue;
    }
    // The same bytes by the same parser: they were lawful when they came.
    const auto document = json::Document::parse(
        waiting.text(),
        {.bytes = core_.limits.request_body, .depth = static_cast<std::size_t>(core_.limits.json_depth)});
    const auto message = document ? mcp::Message::read(document->root()) : std::unexpected(mcp::Message::Invalid{});
    if (!message) {
      const std::string error = mcp::error_response(waiting.id(), Reason::internal);
      waiting.asker()->respond(mcp::Spliced(error), base::facts(Reason::internal).http_status);
      continue;
    }
    answer(McpRequest(waiting.who(), *message, session), *waiting.asker(), false);
  }
}

void Line::forget_waiting(const mcp::Pending& pending) {
  std::erase_if(waiting_, [&](const mcp::Pending* waiting) { return waiting == &pending; });
}

void Line::fail_calls_of(const upstream::Server& server) {
  core_.sessions.for_each([&](mcp::Session& session) {
    std::vector<Call*> calls;
    for (const auto& pending : session.pending())
      if (auto* call = dynamic_cast<Call*>(pending.get()); call != nullptr && &call->server() == &server)
        calls.push_back(call);
    for (Call* call : calls) call->abandon();
  });
}

// ---- refusals

void Line::count_refusal(const IdentifiedRequest& who, const mcp::Session* session, Reason reason,
                         std::string_view subtype, std::string_view detail) {
  core_.metrics.refused(reason);
  core_.auditor.refused(who, session, reason, subtype, detail);
}

void Line::refuse_whole(const IdentifiedRequest& who, const mcp::Session* session, Caller& caller, Reason reason,
                        std::string_view raw_id, std::string_view detail) {
  count_refusal(who, session, reason, "message", detail);
  std::string message;
  if (reason == Reason::version_header)
    message = fmt::format("{} (supported versions: {})", base::facts(reason).text, mcp::supported_versions());
  caller.refuse(reason, raw_id, message);
}

void Line::refuse(const McpRequest& request, mcp::Asker& asker, Reason reason, std::string_view detail) {
  const bool is_call = request.message().method() == mcp::Method::tools_call;
  count_refusal(request.who(), &request.session(), reason, is_call ? "tools/call" : "request", detail);
  const std::string error = mcp::error_response(request.message().id(), reason);
  asker.respond(mcp::Spliced(error), base::facts(reason).http_status);
}

}  // namespace clawql::engine::line
