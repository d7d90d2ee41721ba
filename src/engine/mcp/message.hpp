// One JSON-RPC message of a client, recognised strictly and only once (JSON-RPC 2.0 sections 4 and 5; MCP
// 2025-11-25, basic/index). Nothing is copied: ids and parameters stay slices of the text that came in, so what policy
// judges is what goes upstream (P6).
#pragma once

#include <cstdint>
#include <expected>
#include <string_view>

#include "base/refusal.hpp"
#include "json/document.hpp"

namespace clawql::engine::mcp {

// Longest raw id, progress token or request id that is taken, in bytes with quotes.
inline constexpr std::size_t kMaxIdBytes = 256;

// The methods that this gateway treats in a way of their own. `other` has none.
enum class Method : std::uint8_t {
  initialize,
  ping,
  tools_list,
  tools_call,
  resources_list,
  templates_list,
  resources_read,
  resources_subscribe,
  resources_unsubscribe,
  prompts_list,
  prompts_get,
  complete,
  logging_set_level,
  tasks_get,
  tasks_result,
  tasks_cancel,
  tasks_list,
  discover,
  listen,
  notify_initialized,
  notify_cancelled,
  notify_progress,
  notify_roots_changed,
  other,
};
inline constexpr std::size_t kMethodCount = static_cast<std::size_t>(Method::other) + 1;
// "tools/call"; "other" for Method::other. A fixed word: fit for metrics.
std::string_view name(Method method);

enum class MessageKind : std::uint8_t { request, notification, response };

class Message {
 public:
  struct Invalid {
    base::Reason reason;
    std::string_view id;  // raw, where one could be told, so that the error can be tied to its request; else empty
  };
  // `value` is a whole message (or one element of a batch); the message borrows its document.
  static std::expected<Message, Invalid> read(json::Value value);

  MessageKind kind() const { return kind_; }
  Method method() const { return method_; }                    // `other` for responses
  std::string_view method_raw() const { return method_raw_; }  // as written, with quotes; hostile
  std::string_view text() const { return text_; }              // every byte of the message
  bool is_error() const { return is_error_; }                  // of a response
  std::string_view id() const { return id_; }     // raw; empty for notifications and for errors without one
  json::Value params() const { return params_; }  // absent or an object
  json::Value result() const { return result_; }  // of a response; absent: it is an error

 private:
  Message() = default;
  MessageKind kind_ = MessageKind::request;
  bool is_error_ = false;
  Method method_ = Method::other;
  std::string_view method_raw_, text_, id_;
  json::Value params_, result_;
};

// A string or an integer (digits only, any size), at most kMaxIdBytes long as written.
bool is_lawful_id(json::Value value);

}  // namespace clawql::engine::mcp
