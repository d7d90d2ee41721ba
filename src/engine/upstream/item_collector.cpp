#include "engine/upstream/item_collector.hpp"

#include <algorithm>

#include "engine/upstream/list_shapes.hpp"
#include "engine/upstream/name_filter.hpp"

namespace clawql::engine::upstream {
namespace {

constexpr std::uint64_t kLongestTtl = 24ULL * 60 * 60 * 1000;  // a server cannot make itself unforgettable

// What a page says of itself; a server that says it wrongly, or not at all, is believed the least.
Freshness freshness_of(json::Value result) {
  return {.ttl_ms = std::min(result.find("ttlMs").uint64().value_or(0), kLongestTtl),
          .is_public = result.find("cacheScope").equals("public")};
}

}  // namespace

void ItemCollector::refuse(std::string_view why) {
  if (invalid_++ == 0) example_ = why;
}

void ItemCollector::add_item(json::Value item) {
  if (const auto fault = fault_of_item(kind_, item); !fault.empty()) return refuse(fault);
  const json::Value key_value = item.find(shape_of(kind_).key);
  std::string key = *key_value.string();
  if (!allows(allowed_, key)) return;
  if (!keys_.insert(key).second) return refuse("one that is listed twice");
  const std::string_view raw = item.raw();
  const std::string_view raw_key = key_value.raw();
  bytes_ += raw.size();
  items_.push_back({.key = std::move(key),
                    .json = std::string(raw),
                    .key_offset = static_cast<std::size_t>(raw_key.data() - raw.data()),
                    .key_length = raw_key.size()});
}

void ItemCollector::add_freshness(json::Value result) {
  const Freshness page = freshness_of(result);
  if (!freshness_) {
    freshness_ = page;
    return;
  }
  freshness_->ttl_ms = std::min(freshness_->ttl_ms, page.ttl_ms);
  freshness_->is_public = freshness_->is_public && page.is_public;
}

Result<std::optional<std::string>> ItemCollector::add_page(json::Value result) {
  const ListShape& shape = shape_of(kind_);
  const std::string list = "its list of " + std::string(shape.noun) + "s";
  const json::Value items = result.find(shape.member);
  if (!items.is(json::Kind::array)) return fail(list + " has no array `" + std::string(shape.member) + "`");
  ++pages_;
  add_freshness(result);
  for (const json::Value item : items.elements()) {
    if (seen_++ >= limit_) {
      fault_ = list + " has more than " + std::to_string(limit_) + " items";
      return std::nullopt;
    }
    add_item(item);
    if (bytes_ > kListBytes) {
      fault_ = list + " is larger than 64 MiB";
      return std::nullopt;
    }
  }
  const json::Value cursor = result.find("nextCursor");
  if (!cursor || cursor.is(json::Kind::null)) return std::nullopt;
  if (!cursor.is(json::Kind::string) || cursor.raw().size() > kCursorBytes)
    fault_ = "its cursor is no string, or a very long one";
  else if (pages_ >= kPages)
    fault_ = list + " has more than 1000 pages";
  else if (!cursors_.emplace(cursor.raw()).second)
    fault_ = list + " goes in a circle (a cursor came twice)";
  if (!fault_.empty()) return std::nullopt;
  return std::string(cursor.raw());
}

}  // namespace clawql::engine::upstream
