// Puts a server's list of tools together from its pages. Every page is hostile: a tool that clients could not read is
// left out (one bad entry makes some of them refuse the whole list), names are unique, and neither items, bytes, pages
// nor repeated cursors are without end.
#pragma once

#include <cstddef>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "engine/upstream/server.hpp"
#include "json/document.hpp"

namespace clawql::engine::upstream {

class ToolCollector {
 public:
  static constexpr std::size_t kNameBytes = 128;
  static constexpr std::size_t kPages = 1000;
  static constexpr std::size_t kCursorBytes = 64U << 10;
  static constexpr std::size_t kListBytes = 64U << 20;

  // `allowed`: the entry's allow-list; `limit`: tools over all pages. Both borrowed or copied at once.
  ToolCollector(std::optional<std::vector<std::string>> allowed, std::size_t limit)
      : allowed_(std::move(allowed)), limit_(limit) {}

  // Takes the `result` of one tools/list answer. Returns the raw JSON string to send as the next cursor, or nullopt
  // when the list is at its end (or was cut, see fault()). Fails when this is no page at all.
  Result<std::optional<std::string>> add_page(json::Value result);
  ToolList take() { return std::move(tools_); }

  std::size_t invalid() const { return invalid_; }         // tools left out because no client could use them
  const std::string& fault() const { return fault_; }      // why the list was cut; empty when it was not
  const std::string& example() const { return example_; }  // why the first invalid one is

 private:
  void add_tool(json::Value tool);
  void refuse(std::string_view why);

  std::optional<std::vector<std::string>> allowed_;
  std::size_t limit_;
  ToolList tools_;
  std::set<std::string, std::less<>> names_;
  std::set<std::string, std::less<>> cursors_;
  std::size_t pages_ = 0, items_ = 0, bytes_ = 0, invalid_ = 0;
  std::string fault_, example_;
};

// Why no client could use this tool; empty when it is fine. Source: MCP 2025-11-25 schema, Tool.
std::string_view fault_of_tool(json::Value tool);

}  // namespace clawql::engine::upstream
