#include "engine/upstream/tool_collector.hpp"

#include <algorithm>
#include <array>

#include "engine/upstream/name_filter.hpp"

namespace clawql::engine::upstream {
namespace {

struct OptionalMember {
  std::string_view key;
  json::Kind kind;
  std::string_view fault;
};
constexpr std::array kOptional{
    OptionalMember{"title", json::Kind::string, "title is no string"},
    OptionalMember{"description", json::Kind::string, "description is no string"},
    OptionalMember{"annotations", json::Kind::object, "annotations is no object"},
    OptionalMember{"outputSchema", json::Kind::object, "outputSchema is no object"},
    OptionalMember{"icons", json::Kind::array, "icons is no array"},
    OptionalMember{"execution", json::Kind::object, "execution is no object"},
    OptionalMember{"_meta", json::Kind::object, "_meta is no object"},
};

bool is_control(char c) {
  return static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
}

std::string_view fault_of_name(json::Value value) {
  const auto name = value.string();
  if (!name) return "name is no string";
  if (name->empty()) return "name is empty";
  if (name->size() > ToolCollector::kNameBytes) return "name is longer than 128 bytes";
  if (std::ranges::any_of(*name, is_control)) return "name holds a control character";
  return {};
}

}  // namespace

std::string_view fault_of_tool(json::Value tool) {
  if (!tool.is(json::Kind::object)) return "a tool that is no object";
  if (const auto fault = fault_of_name(tool.find("name")); !fault.empty()) return fault;
  if (!tool.find("inputSchema").find("type").equals("object")) return "inputSchema is not of type object";
  for (const auto& member : kOptional)
    if (const json::Value value = tool.find(member.key); value && !value.is(member.kind)) return member.fault;
  return {};
}

void ToolCollector::refuse(std::string_view why) {
  if (invalid_++ == 0) example_ = why;
}

void ToolCollector::add_tool(json::Value tool) {
  if (const auto fault = fault_of_tool(tool); !fault.empty()) return refuse(fault);
  const json::Value name_value = tool.find("name");
  std::string name = *name_value.string();
  if (!allows(allowed_, name)) return;
  if (!names_.insert(name).second) return refuse("a name that is listed twice");
  const std::string_view raw = tool.raw();
  const std::string_view raw_name = name_value.raw();
  bytes_ += raw.size();
  tools_.push_back({.name = std::move(name),
                    .json = std::string(raw),
                    .name_offset = static_cast<std::size_t>(raw_name.data() - raw.data()),
                    .name_length = raw_name.size()});
}

Result<std::optional<std::string>> ToolCollector::add_page(json::Value result) {
  const json::Value tools = result.find("tools");
  if (!tools.is(json::Kind::array)) return fail("its list of tools has no array `tools`");
  ++pages_;
  for (const json::Value tool : tools.elements()) {
    if (items_++ >= limit_) {
      fault_ = "it lists more than " + std::to_string(limit_) + " tools";
      return std::nullopt;
    }
    add_tool(tool);
    if (bytes_ > kListBytes) {
      fault_ = "its list of tools is larger than 64 MiB";
      return std::nullopt;
    }
  }
  const json::Value cursor = result.find("nextCursor");
  if (!cursor || cursor.is(json::Kind::null)) return std::nullopt;
  if (!cursor.is(json::Kind::string) || cursor.raw().size() > kCursorBytes)
    fault_ = "its cursor is no string, or a very long one";
  else if (pages_ >= kPages)
    fault_ = "its list of tools has more than 1000 pages";
  else if (!cursors_.emplace(cursor.raw()).second)
    fault_ = "its list of tools goes in a circle (a cursor came twice)";
  if (!fault_.empty()) return std::nullopt;
  return std::string(cursor.raw());
}

}  // namespace clawql::engine::upstream
