// What a line from a server is, in JSON-RPC's words. The line was parsed whole before; here only its shape is judged,
// strictly: a message that could be read in two ways is no message.
#pragma once

#include <cstdint>
#include <string_view>

#include "json/document.hpp"

namespace clawql::engine::upstream {

struct ServerMessage {
  enum class Kind : std::uint8_t { nothing, answer, request, notification };
  Kind kind = Kind::nothing;
  json::Value id{};          // of an answer or a request
  json::Value method{};      // a string; of a request or a notification
  std::string_view fault{};  // a fixed text: why it is nothing, or why this answer cannot be passed on
};

// Source: JSON-RPC 2.0 sections 4 and 5, MCP 2025-11-25 basic/index (ids are strings or integers, results objects).
ServerMessage classify(const json::Document& document);

}  // namespace clawql::engine::upstream
