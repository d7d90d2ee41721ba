// The header fields of a POST that repeat what its body says (MCP 2026-07-28, streamable HTTP, "Standard headers" and
// SEP-2243): for those on the way who route without reading bodies. The body decides; a request whose headers say
// something else is refused, so that nobody on the way was told another thing than the server.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/mcp/message.hpp"
#include "json/document.hpp"

namespace clawql::engine::mcp {

struct RoutingHeaders {
  std::optional<std::string> method, name;
  std::vector<std::string> params;  // "Name: value" of each Mcp-Param-Name
};

// A value as it was before it was put into a header: the text itself, or what `=?base64?…?=` holds. nullopt: the
// sentinel holds no lawful base64 of UTF-8.
std::optional<std::string> decode_header(std::string_view value);

// What is wrong with Mcp-Method and Mcp-Name, as a sentence; empty when they say what the message says.
std::string disagreement(const RoutingHeaders& headers, const Message& message);

// The same for Mcp-Param-*: `tool` is the JSON of the called tool, whose inputSchema says with `x-mcp-header` which
// arguments are repeated in which header. Annotations out of grammar mean nothing, headers without one are ignored.
std::string disagreement(const RoutingHeaders& headers, std::string_view tool, json::Value arguments);

}  // namespace clawql::engine::mcp
