// What distinguishes the four lists of a server: their names on the wire and what an item must look like.
#pragma once

#include <string_view>

#include "engine/upstream/offer.hpp"
#include "json/document.hpp"

namespace clawql::engine::upstream {

// Source: MCP 2025-11-25 and 2026-07-28 schema, the four list requests.
struct ListShape {
  std::string_view method;  // "resources/templates/list"
  std::string_view member;  // of the result: "resourceTemplates"
  std::string_view key;     // of an item: "uriTemplate"
  std::string_view noun;    // "resource template", for people
  std::size_t key_bytes;    // no key is longer
};
const ListShape& shape_of(ListKind kind);

// Why no client could use this item; empty when it is fine. Source: as above: Tool, Resource, ResourceTemplate, Prompt.
std::string_view fault_of_item(ListKind kind, json::Value item);

}  // namespace clawql::engine::upstream
