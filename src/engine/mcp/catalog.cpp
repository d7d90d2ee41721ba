#include "engine/mcp/catalog.hpp"

#include <algorithm>
#include <functional>
#include <limits>

#include "engine/mcp/uri_template.hpp"

namespace clawql::engine::mcp {
namespace {

// Many clients read one page alone, so a page is as large as is decent.
constexpr std::size_t kPageItems = 1000;
constexpr std::size_t kPageBytes = 2U << 20;
constexpr std::size_t kMaxUri = 8192;

// Names of tools and prompts are shown under their server's prefix; URIs are what they are, everywhere.
bool has_prefix(ListKind kind) {
  return kind == ListKind::tools || kind == ListKind::prompts;
}

void add_features(upstream::Features& all, const upstream::Features& one) {
  all.tools |= one.tools;
  all.resources |= one.resources;
  all.subscribe |= one.subscribe;
  all.prompts |= one.prompts;
  all.completions |= one.completions;
  all.logging |= one.logging;
  all.tasks |= one.tasks;
  all.cancels_tasks |= one.cancels_tasks;
}

}  // namespace

std::shared_ptr<const MergedList> MergedList::merge(ListKind kind, std::span<upstream::Server* const> servers,
                                                    const std::shared_ptr<const MergedList>& before) {
  auto list = std::make_shared<MergedList>();
  std::size_t count = 0;
  upstream::Freshness freshness{.ttl_ms = std::numeric_limits<std::uint64_t>::max(), .is_public = true};
  for (const upstream::Server* server : servers) {
    const auto offer = server->offer();
    const auto index = static_cast<std::size_t>(kind);
    list->sources_.push_back({server, offer->lists[index], offer->freshness[index], offer->announced[index],
                              has_prefix(kind) ? server->prefix() : std::string()});
    count += offer->lists[index]->size();
    freshness.ttl_ms = std::min(freshness.ttl_ms, offer->freshness[index].ttl_ms);
    list->announced_ += offer->announced[index];
    freshness.is_public &= offer->freshness[index].is_public;
  }
  if (before && before->sources_ == list->sources_) return before;
  if (!servers.empty()) list->freshness_ = freshness;
  list->entries_.reserve(count);  // the keys of by_key_ point into the entries: they must not move
  for (std::size_t i = 0; i < servers.size(); ++i)
    for (const upstream::Item& item : *list->sources_[i].items) list->add(*servers[i], list->sources_[i].prefix, item);
  list->generation_ = std::hash<std::string_view>{}(list->text_);
  return list;
}

void MergedList::add(upstream::Server& server, const std::string& prefix, const upstream::Item& item) {
  Entry entry{.shown = prefix + item.key,
              .server = &server,
              .original = item.key,
              .original_raw = {},
              .offset = 0,
              .length = 0};
  if (entry.shown.empty() || entry.shown.size() > (prefix.empty() ? kMaxUri : kMaxName)) {
    hidden_.push_back({entry.shown.substr(0, kMaxName), server.name(), "limit"});
    return;
  }
  if (const auto owner = by_key_.find(entry.shown); owner != by_key_.end()) {
    hidden_.push_back({entry.shown, server.name(), entries_[owner->second].server->name()});
    return;
  }
  if (!text_.empty()) text_ += ',';
  entry.offset = text_.size();
  const std::string_view json = item.json;
  text_ += json.substr(0, item.key_offset + 1);  // up to and with the quote that opens the key
  text_ += prefix;
  text_ += json.substr(item.key_offset + 1);
  entry.length = text_.size() - entry.offset;
  if (!prefix.empty()) entry.original_raw = json.substr(item.key_offset, item.key_length);
  entries_.push_back(std::move(entry));
  by_key_.emplace(entries_.back().shown, entries_.size() - 1);
}

const MergedList::Entry* MergedList::find(std::string_view shown) const {
  const auto found = by_key_.find(shown);
  return found == by_key_.end() ? nullptr : &entries_[found->second];
}

std::optional<MergedList::Page> MergedList::page(std::size_t first) const {
  if (entries_.empty() && first == 0) return Page{{}, 0};
  if (first >= entries_.size()) return std::nullopt;
  const std::size_t begin = entries_[first].offset;
  std::size_t last = first;
  const auto end_of = [&](std::size_t index) { return entries_[index].offset + entries_[index].length; };
  while (last + 1 < entries_.size() && last + 1 - first < kPageItems && end_of(last + 1) - begin <= kPageBytes) ++last;
  const std::string_view items = std::string_view(text_).substr(begin, end_of(last) - begin);
  return Page{items, last + 1 < entries_.size() ? last + 1 : 0};
}

// ---- all lists

Catalog::Catalog() {
  for (const ListKind kind : upstream::kAllLists)
    lists_[static_cast<std::size_t>(kind)] = MergedList::merge(kind, {}, nullptr);
}

std::shared_ptr<const Catalog> Catalog::merge(std::span<upstream::Server* const> servers, const Catalog& before) {
  auto catalog = std::make_shared<Catalog>();
  for (const ListKind kind : upstream::kAllLists) {
    const auto index = static_cast<std::size_t>(kind);
    catalog->lists_[index] = MergedList::merge(kind, servers, before.lists_[index]);
  }
  for (const upstream::Server* server : servers) add_features(catalog->features_, server->offer()->features);
  return catalog;
}

Changes Catalog::changes_since(const Catalog& before) const {
  Changes changes;
  for (const ListKind kind : upstream::kAllLists)
    if (list(kind).generation() != before.list(kind).generation() ||
        list(kind).announced() != before.list(kind).announced())
      changes.add(kind);
  return changes;
}

const MergedList::Entry* Catalog::find_resource(std::string_view uri) const {
  if (const auto* listed = list(ListKind::resources).find(uri)) return listed;
  for (const MergedList::Entry& entry : list(ListKind::templates).entries())
    if (matches_template(entry.original, uri)) return &entry;
  return nullptr;
}

}  // namespace clawql::engine::mcp
