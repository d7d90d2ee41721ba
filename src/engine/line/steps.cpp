#include "engine/line/steps.hpp"

#include "engine/line/tasks.hpp"
#include "engine/mcp/versions.hpp"
#include "json/removal.hpp"

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

std::expected<AllowedCall, Reason> AllowedCall::allow(const McpRequest& request, mcp::TaskBook& tasks,
                                                      base::Microseconds now) {
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
      case mcp::Method::tasks_get:
      case mcp::Method::tasks_result:
      case mcp::Method::tasks_cancel: return call.find_task(params.find("taskId"), tasks, now);
      case mcp::Method::initialize:
      case mcp::Method::ping:
      case mcp::Method::tools_list:
      case mcp::Method::resources_list:
      case mcp::Method::templates_list:
      case mcp::Method::resources_subscribe:
      case mcp::Method::resources_unsubscribe:
      case mcp::Method::prompts_list:
      case mcp::Method::logging_set_level:
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
  if (const Refused refused = call.look_for_tasks(tasks, now)) return std::unexpected(*refused);
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

// ---- tasks of 2025-11-25

Refused AllowedCall::find_task(json::Value id, mcp::TaskBook& tasks, base::Microseconds now) {
  const auto wanted = id.string();
  if (!wanted) return Reason::params_invalid;
  mcp::Client& client = request_->client();
  task_ = tasks.find(*wanted, client.principal().principal.name, now);
  if (!task_) return Reason::task_unknown;
  const Home home = find_home(tasks, client, *task_, now);
  if (home.server == nullptr) return home.lost ? Reason::task_lost : Reason::task_unknown;
  server_ = home.server;
  target_ = task_->tool;
  name_raw_ = id.raw();
  return std::nullopt;
}

// A message that belongs to a task says so in `_meta`; in those about a task that is not to be looked at
// (basic/utilities/ tasks, "Associating Task-Related Messages"). `task` asks for a task, in sessions of the one
// revision that has them; in all others it means nothing, and must not make one.
Refused AllowedCall::look_for_tasks(const mcp::TaskBook& tasks, base::Microseconds now) {
  const json::Value params = request_->message().params();
  const mcp::TaskScope scope{.book = tasks,
                             .process = server_->generation(),
                             .principal = request_->client().principal().principal.name,
                             .now = now};
  const auto related =
      task_ ? mcp::RelatedTask::as(task_->upstream_raw, params) : mcp::RelatedTask::towards_server(scope, params);
  if (related.is_unknown() && !task_) return Reason::task_unknown;
  if (related.is_there()) task_edits_.emplace_back(related.slice(), related.replacement());

  if (request_->message().method() != mcp::Method::tools_call) return std::nullopt;
  const json::Value task = params.find("task");
  if (!task) return std::nullopt;
  const bool makes_tasks = server_->offer()->features.tasks;
  if (!speaks_tasks(request_->client())) {
    if (makes_tasks) task_edits_.emplace_back(json::removal_of(params, "task"), "");
    return std::nullopt;
  }
  if (!makes_tasks)
    return declared_features(request_->client()).tasks ? std::optional(Reason::task_unsupported) : std::nullopt;
  if (!task.is(json::Kind::object)) return Reason::params_invalid;
  wants_task_ = true;
  return std::nullopt;
}

bool may_come(Reason reason) {
  return reason == Reason::tool_unknown || reason == Reason::prompt_unknown || reason == Reason::resource_unknown;
}

}  // namespace clawql::engine::line
