#include "base/refusal.hpp"

#include <fmt/format.h>

#include <array>

#include "base/check.hpp"

namespace clawql::base {
namespace {

using enum Reason;

constexpr std::array<RefusalFacts, kReasonCount> kFacts{{
    {http_syntax, 400, 400, true, "http.syntax", "Bad request"},
    {http_version, 400, 400, true, "http.version", "Only HTTP/1.1 is spoken here"},
    {http_framing, 400, 400, true, "http.framing", "Bad request framing"},
    {http_host_missing, 400, 400, true, "http.host-missing", "Exactly one Host header is required"},
    {http_host_syntax, 400, 400, true, "http.host-syntax", "Invalid Host header"},
    {http_target_syntax, 400, 400, true, "http.target", "Invalid request target"},
    {http_target_too_long, 414, 414, true, "http.target-length", "Request target too long"},
    {http_head_too_large, 431, 431, true, "http.head-size", "Request header fields too large"},
    {http_expectation, 417, 417, true, "http.expectation", "Only Expect: 100-continue is supported"},
    {http_header_timeout, 408, 408, true, "http.header-timeout", "Request header took too long"},
    {http_body_timeout, 408, 408, true, "http.body-timeout", "Request body took too long"},
    {host_not_allowed, 403, 403, true, "guard.host", "Host not allowed"},
    {origin_not_allowed, 403, 403, true, "guard.origin", "Origin not allowed"},
    {cross_site_fetch, 403, 403, true, "guard.fetch-site", "Cross-site request not allowed"},
    {route_unknown, 404, 404, false, "route.unknown", "Not found"},
    {method_not_allowed, 405, 405, false, "route.method", "Method not allowed"},
    {media_type, 415, 415, false, "route.media-type", "Content-Type must be application/json"},
    {not_acceptable, 406, 406, false, "route.accept", "Accept must include application/json and text/event-stream"},
    {routing_field_repeated, 400, -32020, false, "route.field-repeated",
     "Header mismatch: a header that describes the message appears more than once"},
    {body_too_large, 413, 413, true, "limit.body", "Request body too large"},
    {listener_not_served, 404, 404, false, "route.listener", "Not found"},
    {reads_too_slowly, 408, 408, true, "limit.unread", "Answers were not read"},
    {too_many_connections, 503, 503, true, "limit.connections", "Too many connections"},
    {too_many_requests, 429, 429, false, "limit.requests", "Too many requests in flight"},
    {overloaded, 503, 503, true, "limit.overload", "The gateway is overloaded, try again"},
    {engine_unavailable, 503, 503, false, "engine.unavailable", "The gateway is starting, try again"},
    {engine_lost, 502, 502, false, "engine.lost", "The gateway lost this request, try again"},
    {draining, 503, 503, true, "gateway.draining", "The gateway is shutting down"},
    {json_invalid, 400, -32700, false, "json.invalid", "Parse error"},
    {message_invalid, 400, -32600, false, "message.invalid", "Invalid Request"},
    {session_missing, 400, -32000, false, "session.missing", "Bad Request: Mcp-Session-Id header is required"},
    {session_unknown, 404, -32001, false, "session.unknown", "Session not found"},
    {session_limit, 503, -32000, false, "limit.sessions", "Too many sessions"},
    {session_already_initialized, 400, -32600, false, "session.initialized",
     "Invalid Request: Session already initialized"},
    {version_header, 400, -32000, false, "session.version", "Bad Request: Unsupported protocol version"},
    {request_id_in_use, 400, -32600, false, "message.id-in-use", "Invalid Request: id is already in flight"},
    {method_unknown, 200, -32601, false, "method.unknown", "Method not found"},
    {params_invalid, 200, -32602, false, "params.invalid", "Invalid params"},
    {tool_unknown, 200, -32602, false, "tool.unknown", "Unknown tool"},
    {server_unavailable, 200, -32603, false, "server.unavailable", "The server behind this tool is not available"},
    {call_timeout, 200, -32603, false, "call.timeout", "The call took too long"},
    {call_cancelled, 200, -32603, false, "call.cancelled", "The call was cancelled"},
    {resource_unknown, 200, -32002, false, "resource.unknown", "Resource not found"},
    {prompt_unknown, 200, -32602, false, "prompt.unknown", "Unknown prompt"},
    {claim_invalid, 400, -32602, false, "claim.invalid", "Invalid params: _meta is incomplete or malformed"},
    {header_mismatch, 400, -32020, false, "header.mismatch", "A header is missing or differs from the body"},
    {capability_missing, 400, -32021, false, "capability.missing", "Missing required client capability"},
    {version_unsupported, 400, -32022, false, "version.unsupported", "Unsupported protocol version"},
    {method_gone, 404, -32601, false, "method.gone", "Method not found"},
    {instance_limit, 200, -32603, false, "limit.instances", "No further instance of this server may be started"},
    {task_unknown, 200, -32602, false, "task.unknown", "Unknown task"},
    {task_lost, 200, -32602, false, "task.lost", "The task is gone: the process that ran it has ended"},
    {task_unsupported, 200, -32601, false, "task.unsupported", "This tool cannot be called as a task"},
    {task_limit, 200, -32603, false, "limit.tasks", "Too many tasks"},
    {audit_unavailable, 503, -32603, false, "audit.unavailable", "The audit log cannot be written"},
    {internal, 500, -32603, true, "internal", "Internal error"},
}};

consteval bool in_order() {
  for (std::size_t i = 0; i < kFacts.size(); ++i)
    if (static_cast<std::size_t>(kFacts[i].reason) != i) return false;
  return true;
}
static_assert(in_order(), "kFacts must list every Reason in the order of the enum");

}  // namespace

const RefusalFacts& facts(Reason reason) {
  const auto index = static_cast<std::size_t>(reason);
  CLAWQL_CHECK(index < kFacts.size());
  return kFacts[index];
}

std::string refusal_body(Reason reason) {
  const RefusalFacts& fact = facts(reason);
  return fmt::format(R"({{"jsonrpc":"2.0","error":{{"code":{},"message":"{}"}}}})", fact.rpc_code, fact.text);
}

}  // namespace clawql::base
