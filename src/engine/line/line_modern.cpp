// 2026-07-28: a request stands alone. Its claim says what the client speaks and can; over HTTP header fields repeat
// some of the body for those who route without reading it, and must agree with it (transports, streamable HTTP).
#include "engine/line/line.hpp"
#include "engine/mcp/replies.hpp"

namespace clawql::engine::line {

using base::Reason;

void Line::take_modern(const IdentifiedRequest& who, const Carriage&, const mcp::Message& message, Caller& caller) {
  const auto claim = mcp::Claim::read(message.params());
  if (!claim) {
    count_refusal(who, nullptr, claim.error().reason, "message", message.method_raw());
    return caller.refuse(claim.error().reason, mcp::error_response(message.id(), claim.error().reason,
                                                                   claim.error().message, true, claim.error().data));
  }
  mcp::Client& client = caller.modern_client();
  admitted(McpRequest::with_claim(who, message, client, *claim), caller);
}

}  // namespace clawql::engine::line
