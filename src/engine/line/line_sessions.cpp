// Sessions of the handshake era: how one begins, is found and ends.
#include "engine/line/line.hpp"
#include "engine/line/own_servers.hpp"
#include "engine/line/tasks.hpp"
#include "engine/mcp/replies.hpp"
#include "engine/mcp/versions.hpp"

namespace clawql::engine::line {

using base::Reason;

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

  const auto session =
      core_.sessions.open(who.principal(), mcp::negotiate(*wanted), core_.handshake_view, core_.loop.now());
  if (!session) {
    core_.log.error("session.failed", {{"why", session.error().message}});
    return refuse_whole(who, nullptr, caller, Reason::internal, message.id(), session.error().message);
  }
  if (core_.own_servers != nullptr) core_.own_servers->welcome(**session, capabilities);
  core_.auditor.session(who, **session, "session.opened");
  core_.common.sessions.fetch_add(1, std::memory_order_relaxed);
  core_.metrics.sessions.add(1);
  caller.welcome(**session);
  const std::string response =
      mcp::initialize_result(message.id(), (*session)->version(), declared_features(**session));
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
  // A byte stream before initialize: ping is answered, whatever else asks is told that there is no such method (as a
  // server of the handshake era answers before its handshake), and what does not ask is ignored.
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
  core_.subscriptions.remove_all(session);
  if (SessionServers* const own = own_of(session)) own->end();
  core_.auditor.session_ended(session, subtype);
  core_.replays.forget(session);
  core_.sessions.close(session);
  core_.common.sessions.fetch_sub(1, std::memory_order_relaxed);
  core_.metrics.sessions.add(-1);
}

}  // namespace clawql::engine::line
