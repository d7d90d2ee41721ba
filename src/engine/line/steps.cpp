#include "engine/line/steps.hpp"

#include "engine/mcp/versions.hpp"

namespace clawql::engine::line {

using base::Reason;

IdentifiedRequest IdentifiedRequest::identify(identity::Principals& principals, const ipc::Open& open) {
  return {principals.identify(open.peer), open.peer, open.listener};
}

std::expected<mcp::Session*, Reason> McpRequest::find_session(const IdentifiedRequest& who, const Carriage& carriage,
                                                              const mcp::Sessions& sessions) {
  if (carriage.lines) {
    if (carriage.session == nullptr) return std::unexpected(Reason::session_missing);
    return carriage.session;
  }
  if (!carriage.session_id) return std::unexpected(Reason::session_missing);
  mcp::Session* session = sessions.find(*carriage.session_id, who.principal());
  if (session == nullptr) return std::unexpected(Reason::session_unknown);
  // Absent: the version that was negotiated (transports, "Protocol Version Header").
  if (carriage.protocol_version && !mcp::parse_version(*carriage.protocol_version))
    return std::unexpected(Reason::version_header);
  return session;
}

std::expected<McpRequest, Reason> McpRequest::admit(const IdentifiedRequest& who, const mcp::Message& message,
                                                    const Carriage& carriage, const mcp::Sessions& sessions) {
  const auto session = find_session(who, carriage, sessions);
  if (!session) return std::unexpected(session.error());
  return McpRequest(who, message, **session);
}

std::expected<AllowedCall, Reason> AllowedCall::allow(const McpRequest& request, const mcp::Catalog& catalog) {
  const json::Value params = request.message().params();
  const json::Value name = params.find("name");
  const json::Value arguments = params.find("arguments");
  if (!name.is(json::Kind::string)) return std::unexpected(Reason::params_invalid);
  if (arguments && !arguments.is(json::Kind::object)) return std::unexpected(Reason::params_invalid);
  const json::Value token = params.find("_meta").find("progressToken");
  if (token && !mcp::is_lawful_id(token)) return std::unexpected(Reason::params_invalid);

  std::string unescaped;
  std::string_view wanted;
  if (const auto plain = name.plain_string()) {
    wanted = *plain;
  } else if (auto owned = name.string()) {
    unescaped = std::move(*owned);
    wanted = unescaped;
  }
  AllowedCall call;
  call.tool_ = catalog.find(wanted);
  if (call.tool_ == nullptr) return std::unexpected(Reason::tool_unknown);
  call.request_ = &request;
  call.name_raw_ = name.raw();
  if (arguments) call.arguments_raw_ = arguments.raw();
  if (token) call.progress_token_ = token.raw();
  return call;
}

}  // namespace clawql::engine::line
