// 2026-07-28: a request stands alone. Its claim says what the client speaks and can; over HTTP header fields repeat
// some of the body for those who route without reading it, and must agree with it (transports, streamable HTTP).
#include <fmt/format.h>

#include "engine/line/line.hpp"
#include "engine/line/listen.hpp"
#include "engine/mcp/replies.hpp"

namespace clawql::engine::line {

using base::Reason;

namespace {

// What the header fields say against the body; empty: nothing. Those that repeat arguments are compared when the tool
// is known (steps.cpp).
std::string disagreement(const Carriage& carriage, const mcp::Message& message) {
  if (carriage.lines) return {};
  if (!carriage.protocol_version) return "header MCP-Protocol-Version is missing";
  if (!message.params().find("_meta").find(mcp::kVersionKey).equals(*carriage.protocol_version))
    return "header MCP-Protocol-Version differs from the body";
  return mcp::disagreement(*carriage.headers, message);
}

}  // namespace

void Line::take_modern(const IdentifiedRequest& who, const Carriage& carriage, const mcp::Message& message,
                       Caller& caller) {
  const auto claim = mcp::Claim::read(message.params());
  if (!claim && claim.error().reason == Reason::claim_invalid) return refuse_claim(who, message, claim.error(), caller);
  // A notification asks for nothing, so nothing is said of its headers either.
  const bool is_request = message.kind() == mcp::MessageKind::request;
  const std::string fault = is_request ? disagreement(carriage, message) : std::string{};
  // A revision that is not spoken here is the better answer where the header says the same, or nothing.
  const bool same_version = !carriage.protocol_version ||
                            message.params().find("_meta").find(mcp::kVersionKey).equals(*carriage.protocol_version);
  if (!claim && same_version) return refuse_claim(who, message, claim.error(), caller);
  if (!fault.empty()) return refuse_claim(who, message, {Reason::header_mismatch, fault, {}}, caller);
  if (!claim) return caller.accepted();  // a notification of an unknown revision
  admitted(McpRequest::with_claim(who, message, caller.modern_client(), *claim, carriage.headers), caller);
}

// Where it is not spoken a request of it meets what a server of the handshake era says to a method that it does not
// have: the client begins anew with initialize (versioning, "any other error").
void Line::without_modern(const IdentifiedRequest& who, const Carriage& carriage, const mcp::Message& message,
                          Caller& caller) {
  if (message.kind() != mcp::MessageKind::request) return caller.accepted();
  refuse_whole(who, carriage.session, caller, Reason::method_unknown, message.id(), message.method_raw());
}

// Only requests must carry the claim, and the Python and Go SDKs' clients send notifications without one. On a byte
// stream such a cancellation is of the era in which its request is in flight; the handshake's when it is in both.
bool Line::cancels_without_claim(const Carriage& carriage, const mcp::Message& message, Caller& caller) {
  if (!carriage.lines || message.kind() != mcp::MessageKind::notification ||
      message.method() != mcp::Method::notify_cancelled)
    return false;
  mcp::Client* const modern = caller.known_modern_client();
  const json::Value wanted = message.params().find("requestId");
  if (modern == nullptr || !mcp::is_lawful_id(wanted) || modern->find(wanted.raw()) == nullptr) return false;
  if (carriage.session != nullptr && carriage.session->find(wanted.raw()) != nullptr) return false;
  cancelled(*modern, message);
  return true;
}

// A header never makes a request one of 2026-07-28, but one that says so lacks its claim.
bool Line::claims_by_header_alone(const IdentifiedRequest& who, const Carriage& carriage, const mcp::Message& message,
                                  Caller& caller) {
  if (carriage.lines || !carriage.protocol_version || message.kind() == mcp::MessageKind::response) return false;
  const auto version = mcp::parse_version(*carriage.protocol_version);
  if (!version || !mcp::is_modern(*version)) return false;
  if (message.kind() == mcp::MessageKind::notification) {
    caller.accepted();
  } else if (message.method() == mcp::Method::initialize) {
    refuse_claim(who, message, {Reason::header_mismatch, "initialize is not of the revision in the header", {}},
                 caller);
  } else {
    const std::string why = fmt::format("Invalid params: _meta[\"{}\"] is missing", mcp::kVersionKey);
    refuse_claim(who, message, {Reason::claim_invalid, why, {}}, caller);
  }
  return true;
}

void Line::refuse_claim(const IdentifiedRequest& who, const mcp::Message& message, const mcp::Claim::Fault& fault,
                        Caller& caller) {
  count_refusal(who, nullptr, fault.reason, "message", fault.message);
  caller.refuse(fault.reason, mcp::error_response(message.id(), fault.reason, fault.message, true, fault.data));
}

void Line::listen(const McpRequest& request, mcp::Asker& asker, bool may_wait) {
  const json::Value filter = request.message().params().find("notifications");
  const json::Value uris = filter.find("resourceSubscriptions");
  if (!filter.is(json::Kind::object) || (uris && !uris.is(json::Kind::array)))
    return refuse(request, asker, Reason::params_invalid, "notifications");
  const mcp::View& view = request.client().view();
  if (may_wait) view.wake_servers();
  if (may_wait && uris.size() > 0 && view.worth_waiting()) return wait(request, asker);
  if (core_.common.listens.load(std::memory_order_relaxed) >= core_.limits.listen_streams ||
      request.client().in_flight() >= core_.limits.in_flight_session)
    return refuse(request, asker, Reason::too_many_requests, "subscriptions/listen");
  auto listen = std::make_unique<Listen>(core_, request, asker);
  Listen& begun = *listen;
  request.client().add(std::move(listen));
  begun.begin(filter);
}

}  // namespace clawql::engine::line
