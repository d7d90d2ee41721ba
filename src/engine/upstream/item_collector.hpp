// Puts one of a server's lists together from its pages. Every page is hostile: an item that clients could not read is
// left out (one bad entry makes some of them refuse the whole list), keys are unique, and neither items, bytes, pages
// nor repeated cursors are without end.
#pragma once

#include <cstddef>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "engine/upstream/offer.hpp"
#include "json/document.hpp"

namespace clawql::engine::upstream {

class ItemCollector {
 public:
  static constexpr std::size_t kPages = 1000;
  static constexpr std::size_t kCursorBytes = 64U << 10;
  static constexpr std::size_t kListBytes = 64U << 20;

  // `allowed`: the entry's allow-list of keys; `limit`: items over all pages.
  ItemCollector(ListKind kind, std::optional<std::vector<std::string>> allowed, std::size_t limit)
      : kind_(kind), allowed_(std::move(allowed)), limit_(limit) {}

  // Takes the `result` of one answer to the list's method. Returns the raw JSON string to send as the next cursor, or
  // nullopt when the list is at its end (or was cut, see fault()). Fails when this is no page at all.
  Result<std::optional<std::string>> add_page(json::Value result);
  ItemList take() { return std::move(items_); }
  // How long the list may be kept: the least over its pages.
  Freshness freshness() const { return freshness_.value_or(Freshness{}); }

  std::size_t invalid() const { return invalid_; }         // items left out because no client could use them
  const std::string& fault() const { return fault_; }      // why the list was cut; empty when it was not
  const std::string& example() const { return example_; }  // why the first invalid one is

 private:
  void add_item(json::Value item);
  void add_freshness(json::Value result);
  void refuse(std::string_view why);

  const ListKind kind_;
  std::optional<std::vector<std::string>> allowed_;
  std::size_t limit_;
  ItemList items_;
  std::optional<Freshness> freshness_;
  std::set<std::string, std::less<>> keys_;
  std::set<std::string, std::less<>> cursors_;
  std::size_t pages_ = 0, seen_ = 0, bytes_ = 0, invalid_ = 0;
  std::string fault_, example_;
};

}  // namespace clawql::engine::upstream
