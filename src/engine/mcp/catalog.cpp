#include "engine/mcp/catalog.hpp"

namespace clawql::engine::mcp {
namespace {

// Many clients read one page alone, so a page is as large as is decent.
constexpr std::size_t kPageItems = 1000;
constexpr std::size_t kPageBytes = 2U << 20;

}  // namespace

std::shared_ptr<const Catalog> Catalog::merge(std::span<upstream::Server* const> servers, const Catalog* before) {
  auto catalog = std::make_shared<Catalog>();
  std::size_t count = 0;
  std::vector<std::shared_ptr<const upstream::ToolList>> lists;
  for (const upstream::Server* server : servers) {
    lists.push_back(server->tools());
    count += lists.back()->size();
  }
  catalog->entries_.reserve(count);  // the keys of by_name_ point into the entries: they must not move
  for (std::size_t i = 0; i < servers.size(); ++i)
    for (const upstream::Tool& tool : *lists[i]) catalog->add(*servers[i], tool);
  if (before != nullptr) catalog->generation_ = before->generation_ + (before->text_ == catalog->text_ ? 0 : 1);
  return catalog;
}

void Catalog::add(upstream::Server& server, const upstream::Tool& tool) {
  Entry entry{.shown = server.prefix() + tool.name,
              .server = &server,
              .original = tool.name,
              .original_raw = {},
              .offset = 0,
              .length = 0};
  if (entry.shown.empty() || entry.shown.size() > kMaxToolName) {
    hidden_.push_back({entry.shown.substr(0, kMaxToolName), server.name(), "limit"});
    return;
  }
  if (const auto owner = by_name_.find(entry.shown); owner != by_name_.end()) {
    hidden_.push_back({entry.shown, server.name(), entries_[owner->second].server->name()});
    return;
  }
  if (!text_.empty()) text_ += ',';
  entry.offset = text_.size();
  const std::string_view json = tool.json;
  const std::string_view name_raw = json.substr(tool.name_offset, tool.name_length);
  text_ += json.substr(0, tool.name_offset + 1);  // up to and with the quote that opens the name
  text_ += server.prefix();
  text_ += json.substr(tool.name_offset + 1);
  entry.length = text_.size() - entry.offset;
  if (!server.prefix().empty()) entry.original_raw = name_raw;
  entries_.push_back(std::move(entry));
  by_name_.emplace(entries_.back().shown, entries_.size() - 1);
}

const Catalog::Entry* Catalog::find(std::string_view shown) const {
  const auto found = by_name_.find(shown);
  return found == by_name_.end() ? nullptr : &entries_[found->second];
}

std::optional<Catalog::Page> Catalog::page(std::size_t first) const {
  if (entries_.empty() && first == 0) return Page{{}, 0};
  if (first >= entries_.size()) return std::nullopt;
  const std::size_t begin = entries_[first].offset;
  std::size_t last = first;
  const auto end_of = [&](std::size_t index) { return entries_[index].offset + entries_[index].length; };
  while (last + 1 < entries_.size() && last + 1 - first < kPageItems && end_of(last + 1) - begin <= kPageBytes) ++last;
  const std::string_view items = std::string_view(text_).substr(begin, end_of(last) - begin);
  return Page{items, last + 1 < entries_.size() ? last + 1 : 0};
}

}  // namespace clawql::engine::mcp
