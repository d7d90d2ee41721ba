// The four lists of MCP, and the words of each: one table, so that tools, resources, templates and prompts go the same
// way.
#pragma once

#include <array>
#include <optional>
#include <string_view>

#include "engine/mcp/message.hpp"
#include "engine/upstream/offer.hpp"

namespace clawql::engine::mcp {

using upstream::ListKind;

struct ListWords {
  ListKind kind;
  Method method;             // that asks for it
  std::string_view member;   // of the result
  std::string_view changed;  // notifications/…/list_changed
  std::string_view wanted;   // member of the filter of subscriptions/listen (2026-07-28)
};

inline constexpr std::array<ListWords, upstream::kListKinds> kListWords{{
    {ListKind::tools, Method::tools_list, "tools", "notifications/tools/list_changed", "toolsListChanged"},
    {ListKind::resources, Method::resources_list, "resources", "notifications/resources/list_changed",
     "resourcesListChanged"},
    {ListKind::templates, Method::templates_list, "resourceTemplates", "notifications/resources/list_changed",
     "resourcesListChanged"},
    {ListKind::prompts, Method::prompts_list, "prompts", "notifications/prompts/list_changed", "promptsListChanged"},
}};

inline const ListWords& words(ListKind kind) {
  return kListWords[static_cast<std::size_t>(kind)];
}

inline std::optional<ListKind> list_of(Method method) {
  for (const ListWords& row : kListWords)
    if (row.method == method) return row.kind;
  return std::nullopt;
}

// Which lists have changed, as one notification a kind: templates count as resources.
class Changes {
 public:
  void add(ListKind kind) { bits_ |= bit(kind); }
  void add(Changes more) { bits_ |= more.bits_; }
  void remove(ListKind kind) { bits_ &= ~bit(kind); }
  bool has(ListKind kind) const { return (bits_ & bit(kind)) != 0; }
  bool any() const { return bits_ != 0; }

 private:
  static constexpr unsigned bit(ListKind kind) {
    return 1U << static_cast<unsigned>(kind == ListKind::templates ? ListKind::resources : kind);
  }
  unsigned bits_ = 0;
};
inline constexpr std::array<ListKind, 3> kAnnounced{ListKind::tools, ListKind::resources, ListKind::prompts};

}  // namespace clawql::engine::mcp
