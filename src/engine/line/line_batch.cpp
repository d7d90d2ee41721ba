// Batches: JSON-RPC arrays, in sessions of 2025-03-26 alone.
#include <algorithm>

#include "engine/line/line.hpp"
#include "engine/mcp/versions.hpp"

namespace clawql::engine::line {

using base::Reason;

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
    if (!message || mcp::Claim::is_made(message->params()))
      return refuse_whole(who, *session, caller, Reason::message_invalid, {}, "batch element");
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
    const McpRequest request(who, message, **session, nullptr);
    if (asker != nullptr && message.kind() == mcp::MessageKind::request) answer(request, *asker, true);
    if (message.kind() == mcp::MessageKind::notification) notified(request);
  }
  if (asker == nullptr) caller.accepted();
}

}  // namespace clawql::engine::line
