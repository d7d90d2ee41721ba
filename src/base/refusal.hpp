// Every reason for which a request is refused, in one table. The reason decides the HTTP status, the JSON-RPC code, the
// word in the audit log, the label of the metric `clawql_refusals_total{reason=…}` and the short text that the caller
// sees. What the caller sees never holds a value of the request, nor what would be allowed: a rebound page can read it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace clawql::base {

enum class Reason : std::uint8_t {
  // The bytes are not lawful HTTP (RFC 9112), or more than we take. Answered and the connection closed.
  http_syntax,         // request line, field or line end out of grammar
  http_version,        // anything but HTTP/1.1
  http_framing,        // Content-Length or Transfer-Encoding ambiguous or out of grammar
  http_host_missing,   // no Host, or more than one
  http_host_syntax,    // Host that is no host[:port]
  http_target_syntax,  // target that is neither a path nor an absolute http URI of ours
  http_target_too_long,
  http_head_too_large,
  http_expectation,  // Expect other than one 100-continue
  http_header_timeout,
  http_body_timeout,
  // The guard.
  host_not_allowed,
  origin_not_allowed,
  cross_site_fetch,  // Sec-Fetch-Site: cross-site without Origin
  // Route, method, media type.
  route_unknown,
  method_not_allowed,
  media_type,              // Content-Type other than application/json
  not_acceptable,          // Accept excludes what we answer
  routing_field_repeated,  // MCP-Protocol-Version, Mcp-Method, Mcp-Name or one Mcp-Param-* more than once
  body_too_large,
  listener_not_served,  // route that this listener does not serve (readyz and metrics beyond loopback, admin beyond its
                        // socket)
  // Admission.
  reads_too_slowly,  // the connection ends: its client takes nothing of what waits for it
  too_many_connections,
  too_many_requests,   // in flight, a session, peer or overall
  overloaded,          // no room in the channel, or buffered bytes over their limit
  engine_unavailable,  // the engine is starting or has died
  engine_lost,         // the engine died while it had this request
  draining,
  // JSON-RPC and MCP.
  json_invalid,
  message_invalid,  // JSON, but not a JSON-RPC message; or a batch where none may be
  session_missing,
  session_unknown,  // unknown, ended, or another principal's
  session_limit,
  session_already_initialized,
  version_header,  // MCP-Protocol-Version not supported
  request_id_in_use,
  method_unknown,
  params_invalid,
  tool_unknown,        // not in the catalogue, or not allowed
  server_unavailable,  // failed, restarting beyond the call's limit, or killed during the call
  call_timeout,
  call_cancelled,
  resource_unknown,  // no server lists it, and no template matches
  prompt_unknown,
  claim_invalid,        // 2026-07-28: _meta is incomplete or malformed
  header_mismatch,      // 2026-07-28: a required header is missing, or says something else than the body
  capability_missing,   // 2026-07-28: the call needs a client capability that was not declared
  version_unsupported,  // 2026-07-28: the claim names a revision that is not spoken here
  method_gone,          // 2026-07-28: no such method (over HTTP a 404)
  instance_limit,       // `isolation`: no further process may be started
  task_unknown,         // 2025-11-25: never made, over its time, or another principal's
  task_lost,            // 2025-11-25: the process that ran it has ended
  task_unsupported,     // 2025-11-25: called as a task, of a server that makes none
  task_limit,           // 2025-11-25: as many tasks as may be, of a principal or in all
  audit_unavailable,    // `durability: strict` and the record could not be made durable
  internal,
};

struct RefusalFacts {
  Reason reason;
  int http_status;
  int rpc_code;            // JSON-RPC error code; refusals before JSON use the HTTP status (DECISIONS)
  bool closes;             // the connection ends after the answer: its framing can no longer be trusted
  std::string_view label;  // audit reason and metric label, e.g. "guard.host"
  std::string_view text;   // what the caller is told
};

const RefusalFacts& facts(Reason reason);
inline constexpr std::size_t kReasonCount = static_cast<std::size_t>(Reason::internal) + 1;

// A refusal as a value: the reason, and what the operator is told (offered value, config line that would allow it).
struct Refusal {
  Reason reason;
  std::string for_operator;
};

// `{"jsonrpc":"2.0","error":{"code":…,"message":"…"}}` without id: the body of a refusal before JSON was read.
std::string refusal_body(Reason reason);

}  // namespace clawql::base
