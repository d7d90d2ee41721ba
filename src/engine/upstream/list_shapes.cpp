#include "engine/upstream/list_shapes.hpp"

#include <algorithm>
#include <array>
#include <span>

#include "base/check.hpp"

namespace clawql::engine::upstream {
namespace {

constexpr std::size_t kNameBytes = 128;  // of a tool: MCP 2025-11-25, server/tools, Tool Names
constexpr std::size_t kPromptBytes = 256;
constexpr std::size_t kUriBytes = 8192;

constexpr std::array<ListShape, kListKinds> kShapes{
    ListShape{"tools/list", "tools", "name", "tool", kNameBytes},
    ListShape{"resources/list", "resources", "uri", "resource", kUriBytes},
    ListShape{"resources/templates/list", "resourceTemplates", "uriTemplate", "resource template", kUriBytes},
    ListShape{"prompts/list", "prompts", "name", "prompt", kPromptBytes},
};

struct OptionalMember {
  std::string_view key;
  json::Kind kind;
  std::string_view fault;
};
constexpr OptionalMember kTitle{"title", json::Kind::string, "title is no string"};
constexpr OptionalMember kDescription{"description", json::Kind::string, "description is no string"};
constexpr OptionalMember kAnnotations{"annotations", json::Kind::object, "annotations is no object"};
constexpr OptionalMember kIcons{"icons", json::Kind::array, "icons is no array"};
constexpr OptionalMember kMeta{"_meta", json::Kind::object, "_meta is no object"};
constexpr OptionalMember kMimeType{"mimeType", json::Kind::string, "mimeType is no string"};

constexpr std::array kOfTools{
    kTitle,
    kDescription,
    kAnnotations,
    kIcons,
    kMeta,
    OptionalMember{"outputSchema", json::Kind::object, "outputSchema is no object"},
    OptionalMember{"execution", json::Kind::object, "execution is no object"},
};
constexpr std::array kOfResources{
    kTitle,
    kDescription,
    kAnnotations,
    kIcons,
    kMeta,
    kMimeType,
    OptionalMember{"size", json::Kind::number, "size is no number"},
};
constexpr std::array kOfTemplates{kTitle, kDescription, kAnnotations, kIcons, kMeta, kMimeType};
constexpr std::array kOfPrompts{
    kTitle, kDescription, kIcons, kMeta, OptionalMember{"arguments", json::Kind::array, "arguments is no array"},
};
constexpr std::array kOfArguments{
    kTitle,
    kDescription,
    OptionalMember{"required", json::Kind::boolean, "an argument's required is no boolean"},
};

std::span<const OptionalMember> optional_members(ListKind kind) {
  switch (kind) {
    case ListKind::tools: return kOfTools;
    case ListKind::resources: return kOfResources;
    case ListKind::templates: return kOfTemplates;
    case ListKind::prompts: return kOfPrompts;
  }
  CLAWQL_CHECK(false);
}

std::string_view fault_of_optional(json::Value item, std::span<const OptionalMember> members) {
  for (const auto& member : members)
    if (const json::Value value = item.find(member.key); value && !value.is(member.kind)) return member.fault;
  return {};
}

bool is_control(char c) {
  return static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
}

// The key goes into errors, logs and headers.
std::string_view fault_of_key(const ListShape& shape, json::Value value) {
  const auto key = value.string();
  if (!key) return "its key (name, uri or uriTemplate) is no string";
  if (key->empty()) return "its key (name, uri or uriTemplate) is empty";
  if (key->size() > shape.key_bytes) return "its key (name, uri or uriTemplate) is too long";
  if (std::ranges::any_of(*key, is_control)) return "its key (name, uri or uriTemplate) holds a control character";
  return {};
}

std::string_view fault_of_arguments(json::Value arguments) {
  for (const json::Value argument : arguments.elements()) {
    if (!argument.is(json::Kind::object)) return "an argument that is no object";
    if (!argument.find("name").is(json::Kind::string)) return "an argument without a name";
    if (const auto fault = fault_of_optional(argument, kOfArguments); !fault.empty()) return fault;
  }
  return {};
}

// What else the kind demands.
std::string_view fault_of_kind(ListKind kind, json::Value item) {
  switch (kind) {
    case ListKind::tools:
      return item.find("inputSchema").find("type").equals("object") ? "" : "inputSchema is not of type object";
    case ListKind::resources:
    case ListKind::templates: return item.find("name").is(json::Kind::string) ? "" : "name is no string";
    case ListKind::prompts: return fault_of_arguments(item.find("arguments"));
  }
  CLAWQL_CHECK(false);
}

}  // namespace

const ListShape& shape_of(ListKind kind) {
  return kShapes[static_cast<std::size_t>(kind)];
}

std::string_view fault_of_item(ListKind kind, json::Value item) {
  if (!item.is(json::Kind::object)) return "an item that is no object";
  const ListShape& shape = shape_of(kind);
  if (const auto fault = fault_of_key(shape, item.find(shape.key)); !fault.empty()) return fault;
  if (const auto fault = fault_of_optional(item, optional_members(kind)); !fault.empty()) return fault;
  return fault_of_kind(kind, item);
}

}  // namespace clawql::engine::upstream
