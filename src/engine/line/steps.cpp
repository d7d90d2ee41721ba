#include "engine/line/steps.hpp"

#include "engine/mcp/versions.hpp"

namespace clawql::engine::line {

using base::Reason;

using Refused = std::optional<Reason>;

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
  if (carriage.protocol_version) {
    const auto version = mcp::parse_version(*carriage.protocol_version);
    if (!version || mcp::is_modern(*version)) return std::unexpected(Reason::version_header);
  }
  return session;
}

std::expected<McpRequest, Reason> McpRequest::admit(const IdentifiedRequest& who, const mcp::Message& message,
                                                    const Carriage& carriage, const mcp::Sessions& sessions) {
  const auto session = find_session(who, carriage, sessions);
  if (!session) return std::unexpected(session.error());
  return McpRequest(who, message, **session, nullptr);
}

std::expected<AllowedCall, Reason> AllowedCall::allow(const McpRequest& request) {
  AllowedCall call(request);
  const json::Value params = request.message().params();
  if (const Refused refused = call.take_parameters(params)) return std::unexpected(*refused);
  const auto find = [&]() -> Refused {
    switch (request.message().method()) {
      case mcp::Method::tools_call:
        return call.find_name(mcp::ListKind::tools, params.find("name"), Reason::tool_unknown);
      case mcp::Method::prompts_get:
        return call.find_name(mcp::ListKind::prompts, params.find("name"), Reason::prompt_unknown);
      case mcp::Method::resources_read: return call.find_resource(params.find("uri"));
      case mcp::Method::complete: return call.find_reference(params.find("ref"));
      case mcp::Method::initialize:
      case mcp::Method::ping:
      case mcp::Method::tools_list:
      case mcp::Method::resources_list:
      case mcp::Method::templates_list:
      case mcp::Method::resources_subscribe:
      case mcp::Method::resources_unsubscribe:
      case mcp::Method::prompts_list:
      case mcp::Method::logging_set_level:
      case mcp::Method::tasks_get:
      case mcp::Method::tasks_result:
      case mcp::Method::tasks_cancel:
      case mcp::Method::tasks_list:
      case mcp::Method::discover:
      case mcp::Method::listen:
      case mcp::Method::notify_initialized:
      case mcp::Method::notify_cancelled:
      case mcp::Method::notify_progress:
      case mcp::Method::notify_roots_changed:
      case mcp::Method::other: break;
    }
    return Reason::method_unknown;
  };
  if (const Refused refused = find()) return std::unexpected(*refused);
  return call;
}

Refused AllowedCall::take_parameters(json::Value params) {
  const json::Value arguments = params.find("arguments");
  if (arguments && !arguments.is(json::Kind::object)) return Reason::params_invalid;
  if (arguments) arguments_raw_ = arguments.raw();
  const json::Value token = params.find("_meta").find("progressToken");
  if (token && !mcp::is_lawful_id(token)) return Reason::params_invalid;
  if (token) progress_token_ = token.raw();
  return std::nullopt;
}

Refused AllowedCall::find_name(mcp::ListKind kind, json::Value name, Reason unknown) {
  std::string room;
  const auto wanted = name.string(room);
  if (!wanted) return Reason::params_invalid;
  const mcp::MergedList::Entry* const entry = request_->client().view().catalog().list(kind).find(*wanted);
  if (entry == nullptr) return unknown;
  // Here, where the tool is known: it may have come only while the call waited.
  const mcp::RoutingHeaders* const headers = request_->headers();
  if (headers != nullptr && request_->message().method() == mcp::Method::tools_call) {
    const std::string_view tool = request_->client().view().catalog().list(kind).json(*entry);
    if (!mcp::disagreement(*headers, tool, request_->message().params().find("arguments")).empty())
      return Reason::header_mismatch;
  }
  server_ = entry->server;
  target_ = entry->original;
  name_raw_ = name.raw();
  original_raw_ = entry->original_raw;
  return std::nullopt;
}

Refused AllowedCall::find_resource(json::Value uri) {
  auto wanted = uri.string();
  if (!wanted || wanted->empty()) return Reason::params_invalid;
  const mcp::MergedList::Entry* const entry = request_->client().view().catalog().find_resource(*wanted);
  if (entry == nullptr) return Reason::resource_unknown;
  server_ = entry->server;
  target_ = std::move(*wanted);
  return std::nullopt;
}

// A prompt by its name, or a template by its text.
Refused AllowedCall::find_reference(json::Value reference) {
  const json::Value argument = request_->message().params().find("argument");
  if (!argument.find("name").is(json::Kind::string) || !argument.find("value").is(json::Kind::string))
    return Reason::params_invalid;
  if (reference.find("type").equals("ref/prompt"))
    return find_name(mcp::ListKind::prompts, reference.find("name"), Reason::prompt_unknown);
  const auto uri = reference.find("uri").string();
  if (!uri || !reference.find("type").equals("ref/resource")) return Reason::params_invalid;
  const mcp::Catalog& catalog = request_->client().view().catalog();
  const mcp::MergedList::Entry* entry = catalog.list(mcp::ListKind::templates).find(*uri);
  if (entry == nullptr) entry = catalog.find_resource(*uri);
  if (entry == nullptr) return Reason::params_invalid;
  server_ = entry->server;
  target_ = *uri;
  return std::nullopt;
}

bool may_come(Reason reason) {
  return reason == Reason::tool_unknown || reason == Reason::prompt_unknown || reason == Reason::resource_unknown;
}

}  // namespace clawql::engine::line
