#include "door/answer.hpp"

#include <array>

namespace clawql::door {
namespace {

constexpr std::string_view kHealth =
    R"({"status":"ok","transport":"streamable-http","endpoint":"/mcp","version":")" CLAWQL_VERSION R"("})";

std::string_view media_type(ipc::ContentType type) {
  switch (type) {
    case ipc::ContentType::none: return {};
    case ipc::ContentType::json: return "application/json";
    case ipc::ContentType::event_stream: return "text/event-stream";
    case ipc::ContentType::text: return "text/plain; charset=utf-8";
    case ipc::ContentType::metrics: return "text/plain; version=0.0.4; charset=utf-8";
  }
  return {};
}

std::string_view field_name(ipc::ResponseField field) {
  switch (field) {
    case ipc::ResponseField::session_id: return "Mcp-Session-Id";
    case ipc::ResponseField::allow: return "Allow";
    case ipc::ResponseField::retry_after: return "Retry-After";
    case ipc::ResponseField::www_authenticate: return "WWW-Authenticate";
    case ipc::ResponseField::protocol_version: return "MCP-Protocol-Version";
  }
  return {};
}

// The shared response head, emptied, with what every answer has.
http::ResponseHead& fresh(Surroundings& surroundings, int status, const AnswerContext& context) {
  http::ResponseHead& response = surroundings.response;
  response.status = status;
  response.content_type = {};
  response.content_length.reset();
  response.chunked = false;
  response.close = context.close;
  response.fields.clear();
  response.fields.emplace_back("Date", surroundings.date());
  // Never `*`, and no credentials (Fetch section 3.2): exactly the origin that the configuration lists.
  if (!context.listed_origin.empty()) {
    response.fields.emplace_back("Access-Control-Allow-Origin", context.listed_origin);
    response.fields.emplace_back("Access-Control-Expose-Headers", "Mcp-Session-Id");
    response.fields.emplace_back("Vary", "Origin");
  }
  return response;
}

void append_json(std::string& out, http::ResponseHead& response, std::string_view body, bool without_body) {
  response.content_type = "application/json";
  response.content_length = body.size();
  response.fields.emplace_back("Cache-Control", "no-store");
  http::append_response_head(out, response);
  if (!without_body) out += body;
}

bool comes_back_soon(base::Reason reason) {
  switch (base::facts(reason).http_status) {
    case 429:
    case 502:
    case 503: return true;
    default: return false;
  }
}

}  // namespace

bool append_engine_head(std::string& out, Surroundings& surroundings, const ipc::Head& head,
                        const AnswerContext& context) {
  http::ResponseHead& response = fresh(surroundings, head.status, context);
  response.content_type = media_type(head.content_type);
  response.content_length = head.content_length;
  // 202 and 204 have no body (DECISIONS, the channel).
  if (head.status == 202 && !head.content_length) response.content_length = 0;
  response.chunked = !response.content_length && head.status != 204;
  for (const auto& [field, value] : head.fields) response.fields.emplace_back(field_name(field), value);
  if (head.content_type == ipc::ContentType::event_stream) {
    response.fields.emplace_back("Cache-Control", "no-cache, no-store, no-transform");
    response.fields.emplace_back("X-Accel-Buffering", "no");  // an nginx before us must not gather events
  } else if (head.content_type != ipc::ContentType::none) {
    response.fields.emplace_back("Cache-Control", "no-store");
  }
  http::append_response_head(out, response);
  return response.chunked;
}

void append_refusal(std::string& out, Surroundings& surroundings, const Refused& refused,
                    const AnswerContext& context) {
  http::ResponseHead& response = fresh(surroundings, base::facts(refused.reason).http_status, context);
  if (!refused.allow.empty()) response.fields.emplace_back("Allow", refused.allow);
  if (comes_back_soon(refused.reason)) response.fields.emplace_back("Retry-After", "1");
  append_json(out, response, base::refusal_body(refused.reason), context.is_head);
}

void append_health(std::string& out, Surroundings& surroundings, const AnswerContext& context) {
  append_json(out, fresh(surroundings, 200, context), kHealth, context.is_head);
}

void append_preflight(std::string& out, Surroundings& surroundings, const PreflightAnswer& answer,
                      const AnswerContext& context) {
  http::ResponseHead& response = fresh(surroundings, 204, context);
  response.fields.emplace_back("Access-Control-Allow-Methods", answer.allow);
  response.fields.emplace_back("Access-Control-Allow-Headers", answer.allowed_fields);
  response.fields.emplace_back("Access-Control-Max-Age", "600");
  http::append_response_head(out, response);
}

}  // namespace clawql::door
