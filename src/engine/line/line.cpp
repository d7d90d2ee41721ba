// identify → grant body → json scan → era + method → policy → audit intent → route → upstream → audit outcome → answer
//
// The first two steps are the transport's (exchange_*.cpp: no more than 64 KiB of body come before the caller is
// known), the last three are the call's own (call.cpp). What stands between is here, in this order; the ways of single
// eras and of batches branch off into line_*.cpp and come back to answer().
#include "engine/line/line.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "engine/line/call.hpp"
#include "engine/line/own_servers.hpp"
#include "engine/line/task_call.hpp"
#include "engine/line/task_listing.hpp"
#include "engine/line/tasks.hpp"
#include "engine/mcp/replies.hpp"
#include "engine/mcp/versions.hpp"

namespace clawql::engine::line {

using base::Reason;

namespace {

// What was asked for may be of a server that has no process for this client, because there are as many as may be.
bool lacks_instance(const mcp::View& view, json::Value name) {
  const auto wanted = name.string();
  return std::ranges::any_of(view.slots(), [&](const mcp::ServerSlot& slot) {
    const auto* const own = dynamic_cast<const upstream::OwnServer*>(slot.server);
    return own != nullptr && own->is_over_limit() && (!wanted || wanted->starts_with(own->prefix()));
  });
}

}  // namespace

void Line::take(const IdentifiedRequest& who, const Carriage& carriage, std::string_view text, Caller& caller) {
  if (core_.draining) return refuse_whole(who, carriage.session, caller, Reason::draining, {}, {});

  // json scan
  const auto document = json::Document::parse(
      text, {.bytes = core_.limits.request_body, .depth = static_cast<std::size_t>(core_.limits.json_depth)});
  if (!document) return refuse_whole(who, carriage.session, caller, Reason::json_invalid, {}, document.error().why);

  if (document->root().is(json::Kind::array)) return take_batch(who, carriage, document->root(), caller);
  const auto message = mcp::Message::read(document->root());
  if (!message)
    return refuse_whole(who, carriage.session, caller, message.error().reason, message.error().id, "not JSON-RPC");
  core_.metrics.request(message->method());
  take_message(who, carriage, *message, caller);
}

// era: the claim in the body decides, never a header.
void Line::take_message(const IdentifiedRequest& who, const Carriage& carriage, const mcp::Message& message,
                        Caller& caller) {
  const bool is_request = message.kind() == mcp::MessageKind::request;
  if (message.kind() != mcp::MessageKind::response && mcp::Claim::is_made(message.params()))
    return carriage.handshake_only ? without_modern(who, carriage, message, caller)
                                   : take_modern(who, carriage, message, caller);
  if (claims_by_header_alone(who, carriage, message, caller)) return;
  if (cancels_without_claim(carriage, message, caller)) return caller.accepted();
  if (is_request && message.method() == mcp::Method::initialize) return initialize(who, carriage, message, caller);

  const auto request = McpRequest::admit(who, message, carriage, core_.sessions);
  if (!request) return without_session(who, carriage, message, request.error(), caller);
  admitted(*request, caller);
}

void Line::admitted(const McpRequest& request, Caller& caller) {
  mcp::Client& client = request.client();
  client.touch(core_.loop.now());
  switch (request.message().kind()) {
    case mcp::MessageKind::request:
      if (client.find(request.message().id()) != nullptr)
        return refuse_whole(request.who(), &client, caller, Reason::request_id_in_use, request.message().id(), {});
      caller.serve(client);
      return answer(request, caller, true);
    case mcp::MessageKind::notification: notified(request); return caller.accepted();
    case mcp::MessageKind::response:
      if (SessionServers* const own = own_of(client))
        own->asks().answered(request.message());
      else
        core_.metrics.client_answers_dropped.add();  // nothing was asked of it
      return caller.accepted();
  }
}

// method
void Line::answer(const McpRequest& request, mcp::Asker& asker, bool may_wait) {
  const mcp::Method method = request.message().method();
  if (const auto kind = mcp::list_of(method)) return list(request, *kind, asker, may_wait);
  switch (method) {
    case mcp::Method::tools_call:
    case mcp::Method::prompts_get:
    case mcp::Method::resources_read:
    case mcp::Method::complete: return call(request, asker, may_wait);
    case mcp::Method::tasks_get:
    case mcp::Method::tasks_result:
    case mcp::Method::tasks_cancel:
      if (!may_use_tasks(core_, request.client())) break;
      return call(request, asker, false);
    case mcp::Method::tasks_list:
      if (!may_use_tasks(core_, request.client())) break;
      return list_tasks(request, asker);
    case mcp::Method::discover:
      if (!request.is_modern()) break;
      asker.respond(mcp::Spliced(mcp::discover_result(request.message().id())), 200);
      return;
    case mcp::Method::ping:
      if (request.is_modern()) break;
      return acknowledge(request, asker);
    case mcp::Method::logging_set_level:
      if (request.is_modern()) break;
      return set_level(request, asker);
    case mcp::Method::resources_subscribe:
      if (request.is_modern()) break;
      return subscribe(request, asker, may_wait);
    case mcp::Method::resources_unsubscribe:
      if (request.is_modern()) break;
      return unsubscribe(request, asker);
    case mcp::Method::initialize:  // in a batch; alone it never comes here
      if (request.is_modern()) break;
      return refuse(request, asker, Reason::session_already_initialized);
    case mcp::Method::listen:
      if (!request.is_modern()) break;
      return listen(request, asker, may_wait);
    case mcp::Method::tools_list:
    case mcp::Method::resources_list:
    case mcp::Method::templates_list:
    case mcp::Method::prompts_list:
    case mcp::Method::notify_initialized:
    case mcp::Method::notify_cancelled:
    case mcp::Method::notify_progress:
    case mcp::Method::notify_roots_changed:
    case mcp::Method::other: break;
  }
  refuse(request, asker, request.is_modern() ? Reason::method_gone : Reason::method_unknown,
         request.message().method_raw());
}

void Line::acknowledge(const McpRequest& request, mcp::Asker& asker) {
  asker.respond(mcp::Spliced(mcp::empty_result(request.message().id())), 200);
}

void Line::call(const McpRequest& request, mcp::Asker& asker, bool may_wait) {
  // policy
  const auto allowed = AllowedCall::allow(request, core_.common.tasks, core_.loop.now());
  if (!allowed) {
    if (may_wait && may_come(allowed.error())) {
      request.client().view().wake_servers();
      if (request.client().view().worth_waiting()) return wait(request, asker);
    }
    if (may_come(allowed.error()) && lacks_instance(request.client().view(), request.message().params().find("name")))
      return refuse(request, asker, Reason::instance_limit);
    const json::Value params = request.message().params();
    const json::Value named = params.find("name") ? params.find("name") : params.find("uri");
    return refuse(request, asker, allowed.error(), named ? named.raw() : std::string_view{});
  }
  if (!core_.has_room_for_request(request.client())) return refuse(request, asker, Reason::too_many_requests);
  auto task = TaskCall::begin(core_, *allowed);
  if (!task) return refuse(request, asker, task.error());

  // audit intent: nothing goes upstream without it
  CallFacts facts = core_.auditor.facts_of(*allowed);
  if (!core_.auditor.intent(facts, allowed->arguments_raw(), request.message().text().size()))
    return refuse(request, asker, Reason::audit_unavailable);

  // route → upstream; audit outcome → answer follow in call.cpp
  auto call = std::make_unique<Call>(core_, *allowed, std::move(facts), *std::move(task), asker);
  Call& sent = *call;
  request.client().add(std::move(call));
  Call::send(sent, *allowed);
}

void Line::list(const McpRequest& request, mcp::ListKind kind, mcp::Asker& asker, bool may_wait) {
  const mcp::View& view = request.client().view();
  if (may_wait) view.wake_servers();
  if (may_wait && view.worth_waiting()) return wait(request, asker);
  const mcp::MergedList& merged = view.catalog().list(kind);
  const auto number = static_cast<std::uint64_t>(kind);
  std::size_t first = 0;
  if (const json::Value cursor = request.message().params().find("cursor")) {
    const auto position = core_.common.cursors.open(cursor.string().value_or(std::string{}));
    if (!position || position->list != number || position->generation != merged.generation())
      return refuse(request, asker, Reason::params_invalid, "cursor");
    first = position->index;
  }
  const auto page = merged.page(first);
  if (!page) return refuse(request, asker, Reason::params_invalid, "cursor");
  std::string next;
  if (page->next != 0) next = core_.common.cursors.seal({number, merged.generation(), page->next});
  const mcp::ListPage shown{.kind = kind, .items = page->items, .next_cursor = next, .freshness = merged.freshness()};
  asker.respond(mcp::Spliced(mcp::list_result(request.message().id(), shown, request.is_modern())), 200);
}

void Line::list_tasks(const McpRequest& request, mcp::Asker& asker) {
  std::uint64_t number = 0;
  if (const json::Value cursor = request.message().params().find("cursor")) {
    const auto position = core_.common.cursors.open(cursor.string().value_or(std::string{}));
    if (!position || position->list != TaskListing::kCursorList)
      return refuse(request, asker, Reason::params_invalid, "cursor");
    number = position->index;
  }
  if (!core_.has_room_for_request(request.client())) return refuse(request, asker, Reason::too_many_requests);
  auto listing = std::make_unique<TaskListing>(core_, request, asker);
  TaskListing& begun = *listing;
  request.client().add(std::move(listing));
  TaskListing::begin(begun, number);
}

// ---- what a session asks for itself (handshake era)

void Line::subscribe(const McpRequest& request, mcp::Asker& asker, bool may_wait) {
  mcp::Session& session = *request.client().session();
  const auto uri = request.message().params().find("uri").string();
  if (!uri || uri->empty()) return refuse(request, asker, Reason::params_invalid, "uri");
  const mcp::View& view = session.view();
  const mcp::MergedList::Entry* const entry = view.catalog().find_resource(*uri);
  if (entry == nullptr) {
    if (may_wait) view.wake_servers();
    if (may_wait && view.worth_waiting()) return wait(request, asker);
    return refuse(request, asker, Reason::resource_unknown, *uri);
  }
  if (core_.subscriptions.count(session) >= core_.limits.subscriptions)
    return refuse(request, asker, Reason::too_many_requests, "subscriptions");
  core_.subscriptions.add(session, *uri, *entry->server);
  acknowledge(request, asker);
}

void Line::unsubscribe(const McpRequest& request, mcp::Asker& asker) {
  const auto uri = request.message().params().find("uri").string();
  if (!uri) return refuse(request, asker, Reason::params_invalid, "uri");
  core_.subscriptions.remove(*request.client().session(), *uri);
  acknowledge(request, asker);
}

void Line::set_level(const McpRequest& request, mcp::Asker& asker) {
  const auto text = request.message().params().find("level").string();
  const auto level = mcp::parse_log_level(text.value_or(std::string{}));
  if (!level) return refuse(request, asker, Reason::params_invalid, "level");
  core_.sessions.set_log_level(*request.client().session(), *level);
  if (SessionServers* const own = own_of(request.client())) own->set_log_level(mcp::to_string(*level));
  apply_log_level();
  acknowledge(request, asker);
}

// A shared server is asked for what the most curious session wants; the others' share is filtered (call.cpp).
void Line::apply_log_level() {
  const auto least = core_.sessions.least_log_level();
  if (core_.common.log_levels.set(core_.number, least) && core_.on_level_changed) core_.on_level_changed();
  apply_common_log_level();
}

void Line::apply_common_log_level() {
  const auto least = core_.common.log_levels.least();
  if (!least) return;
  for (const mcp::ServerSlot& entry : core_.entries) entry.server->set_log_level(mcp::to_string(*least));
  if (core_.own_servers != nullptr) core_.own_servers->set_log_level(mcp::to_string(*least));
}

// ---- notifications

void Line::notified(const McpRequest& request) {
  if (request.message().method() == mcp::Method::notify_cancelled)
    return cancelled(request.client(), request.message());
  SessionServers* const own = own_of(request.client());
  if (own == nullptr) return;
  if (request.message().method() == mcp::Method::notify_initialized) own->begin();
  if (request.message().method() == mcp::Method::notify_progress) own->asks().progressed(request.message());
  if (request.message().method() == mcp::Method::notify_roots_changed) own->roots_changed(request.message().text());
}

// A cancellation of what is not (or no longer) in flight is no error: it may have crossed the answer.
void Line::cancelled(mcp::Client& client, const mcp::Message& message) {
  const json::Value params = message.params();
  const json::Value wanted = params.find("requestId");
  if (!mcp::is_lawful_id(wanted)) return;
  mcp::Pending* pending = client.find(wanted.raw());
  if (pending == nullptr) return;
  const std::unique_ptr<mcp::Pending> taken = client.take(*pending);
  forget_waiting(*taken);
  taken->stop(Reason::call_cancelled, params.find("reason").string().value_or(std::string{}).substr(0, 256));
  core_.metrics.refused(Reason::call_cancelled);
  if (taken->asker() != nullptr) taken->asker()->withdraw();
}

void Line::drop_requests(mcp::Client& client) {
  while (const std::unique_ptr<mcp::Pending> pending = client.take_any()) {
    forget_waiting(*pending);
    pending->stop(Reason::call_cancelled, "the client closed the stream");
    core_.metrics.refused(Reason::call_cancelled);
  }
}

void Line::fail_calls_of(const upstream::Server& server) {
  const auto fail_in = [&](mcp::Client& client) {
    std::vector<Call*> calls;
    std::vector<TaskListing*> listings;
    for (const auto& pending : client.pending()) {
      if (auto* call = dynamic_cast<Call*>(pending.get()); call != nullptr && &call->server() == &server)
        calls.push_back(call);
      if (auto* listing = dynamic_cast<TaskListing*>(pending.get())) listings.push_back(listing);
    }
    for (Call* call : calls) call->abandon();
    for (TaskListing* listing : listings) listing->abandon(server);
  };
  core_.sessions.for_each(fail_in);
  core_.modern_clients.for_each(fail_in);
}

// ---- refusals

void Line::count_refusal(const IdentifiedRequest& who, const mcp::Client* client, Reason reason,
                         std::string_view subtype, std::string_view detail) {
  core_.metrics.refused(reason);
  core_.auditor.refused(who, client, reason, subtype, detail);
}

void Line::refuse_whole(const IdentifiedRequest& who, const mcp::Client* client, Caller& caller, Reason reason,
                        std::string_view raw_id, std::string_view detail) {
  count_refusal(who, client, reason, "message", detail);
  std::string message;
  if (reason == Reason::version_header)
    message = fmt::format("{} (supported versions: {})", base::facts(reason).text, mcp::supported_versions());
  caller.refuse(reason, raw_id.empty() && message.empty() ? base::refusal_body(reason)
                                                          : mcp::error_response(raw_id, reason, message));
}

void Line::refuse(const McpRequest& request, mcp::Asker& asker, Reason reason, std::string_view detail) {
  const bool is_call = request.message().method() == mcp::Method::tools_call;
  count_refusal(request.who(), &request.client(), reason, is_call ? "tools/call" : "request", detail);
  // Who asked for a resource is told which one (2026-07-28, "Resource not found").
  const json::Value uri = request.message().params().find("uri");
  const bool names_uri = reason == Reason::resource_unknown && uri.is(json::Kind::string);
  const std::string error = mcp::error_response(request.message().id(), reason, {}, request.is_modern(),
                                                names_uri ? fmt::format(R"("uri":{})", uri.raw()) : std::string{});
  asker.respond(mcp::Spliced(error), base::facts(reason).http_status);
}

}  // namespace clawql::engine::line
