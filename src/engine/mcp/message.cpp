#include "engine/mcp/message.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <utility>

namespace clawql::engine::mcp {
namespace {

constexpr std::array<std::pair<std::string_view, Method>, kMethodCount> kMethods{{
    {"initialize", Method::initialize},
    {"ping", Method::ping},
    {"tools/list", Method::tools_list},
    {"tools/call", Method::tools_call},
    {"resources/list", Method::resources_list},
    {"resources/templates/list", Method::templates_list},
    {"resources/read", Method::resources_read},
    {"resources/subscribe", Method::resources_subscribe},
    {"resources/unsubscribe", Method::resources_unsubscribe},
    {"prompts/list", Method::prompts_list},
    {"prompts/get", Method::prompts_get},
    {"completion/complete", Method::complete},
    {"logging/setLevel", Method::logging_set_level},
    {"tasks/get", Method::tasks_get},
    {"tasks/result", Method::tasks_result},
    {"tasks/cancel", Method::tasks_cancel},
    {"tasks/list", Method::tasks_list},
    {"server/discover", Method::discover},
    {"subscriptions/listen", Method::listen},
    {"notifications/initialized", Method::notify_initialized},
    {"notifications/cancelled", Method::notify_cancelled},
    {"notifications/progress", Method::notify_progress},
    {"notifications/roots/list_changed", Method::notify_roots_changed},
    {"other", Method::other},
}};

consteval bool in_order() {
  for (std::size_t i = 0; i < kMethods.size(); ++i)
    if (static_cast<std::size_t>(kMethods[i].second) != i) return false;
  return true;
}
static_assert(in_order(), "kMethods must list every Method in the order of the enum");

Method method_of(json::Value value) {
  std::string room;
  const std::string_view text = value.string(room).value_or(std::string_view());
  for (const auto& [word, method] : kMethods)
    if (method != Method::other && word == text) return method;
  return Method::other;
}

// The members of a message that have a meaning; whatever else is in it travels on unread.
struct Members {
  json::Value version, id, method, params, result, error;
};

Members members_of(json::Value message) {
  Members found;
  std::string room;
  for (const auto& [key, value] : message.members()) {
    const std::string_view name = *key.string(room);
    if (name == "jsonrpc")
      found.version = value;
    else if (name == "id")
      found.id = value;
    else if (name == "method")
      found.method = value;
    else if (name == "params")
      found.params = value;
    else if (name == "result")
      found.result = value;
    else if (name == "error")
      found.error = value;
  }
  return found;
}

bool is_lawful_call(const Members& members) {
  return members.method.is(json::Kind::string) && !members.result && !members.error &&
         (!members.id || is_lawful_id(members.id));
}

// Exactly one of result and error. An error may lack its id, or carry null: the other side could not read ours.
bool is_lawful_response(const Members& members) {
  if (members.params || static_cast<bool>(members.result) == static_cast<bool>(members.error)) return false;
  if (members.result) return is_lawful_id(members.id);
  return members.error.is(json::Kind::object) &&
         (!members.id || members.id.is(json::Kind::null) || is_lawful_id(members.id));
}

}  // namespace

std::string_view name(Method method) {
  return kMethods[static_cast<std::size_t>(method)].first;
}

bool is_lawful_id(json::Value value) {
  if (!value || value.raw().size() > kMaxIdBytes) return false;
  if (value.is(json::Kind::string)) return true;
  return value.is(json::Kind::number) && value.raw().find_first_of(".eE") == std::string_view::npos;
}

std::expected<Message, Message::Invalid> Message::read(json::Value value) {
  const Members members = members_of(value);
  const std::string_view usable_id = is_lawful_id(members.id) ? members.id.raw() : std::string_view{};
  const Invalid invalid{base::Reason::message_invalid, members.method ? usable_id : std::string_view{}};
  if (!value.is(json::Kind::object) || !members.version.equals("2.0")) return std::unexpected(invalid);

  Message message;
  message.text_ = value.raw();
  if (!members.method) {
    if (!is_lawful_response(members)) return std::unexpected(invalid);
    message.kind_ = MessageKind::response;
    message.is_error_ = static_cast<bool>(members.error);
    message.id_ = usable_id;
    message.result_ = members.result;
    return message;
  }
  if (!is_lawful_call(members)) return std::unexpected(invalid);
  if (members.params && !members.params.is(json::Kind::object))
    return std::unexpected(
        Invalid{members.id ? base::Reason::params_invalid : base::Reason::message_invalid, usable_id});
  message.kind_ = members.id ? MessageKind::request : MessageKind::notification;
  message.id_ = usable_id;
  message.method_ = method_of(members.method);
  message.method_raw_ = members.method.raw();
  message.params_ = members.params;
  return message;
}

}  // namespace clawql::engine::mcp
