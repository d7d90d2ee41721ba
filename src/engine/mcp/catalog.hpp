// What all servers list, as one list a kind: in configuration order, tools and prompts each under their server's
// prefix, every other byte of an item as the server wrote it. A key (name or URI) belongs to one server; the later one
// of two is hidden and reported. Immutable snapshots, made anew when a server's lists change.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engine/mcp/lists.hpp"
#include "engine/upstream/server.hpp"

namespace clawql::engine::mcp {

// Longest name that is shown (MCP 2025-11-25, tool names).
inline constexpr std::size_t kMaxName = 128;

class MergedList {
 public:
  struct Entry {
    std::string shown;           // unescaped: what a client names
    upstream::Server* server;    // borrowed: the shard makes a new catalogue before one goes
    std::string original;        // unescaped, as the server knows it
    std::string original_raw;    // as the server writes it, with quotes; empty where the shown one is the same
    std::size_t offset, length;  // of its JSON in the merged text
  };
  struct Hidden {
    std::string item;       // shown key
    std::string owner;      // server whose item it is
    std::string hidden_by;  // server that has the key already, or "limit" where it is too long
  };
  struct Page {
    std::string_view items;  // JSON objects with commas between them
    std::size_t next;        // index of the next page's first item; 0: this is the last page
  };

  // `before`: is returned where nothing would differ from it.
  static std::shared_ptr<const MergedList> merge(ListKind kind, std::span<upstream::Server* const> servers,
                                                 const std::shared_ptr<const MergedList>& before);

  const Entry* find(std::string_view shown) const;
  const std::vector<Entry>& entries() const { return entries_; }
  // nullopt when `first` is no index of this list. An empty list has one empty page, at 0.
  std::optional<Page> page(std::size_t first) const;
  std::string_view json(const Entry& entry) const { return std::string_view(text_).substr(entry.offset, entry.length); }
  std::size_t size() const { return entries_.size(); }
  // The same for the same text, in every shard of this process: what cursors are tied to.
  std::uint64_t generation() const { return generation_; }
  // How often servers said that their part changed.
  std::uint64_t announced() const { return announced_; }
  // The shortest time of all, and public when all are.
  upstream::Freshness freshness() const { return freshness_; }
  const std::vector<Hidden>& hidden() const { return hidden_; }

 private:
  struct Source {
    const upstream::Server* server;
    std::shared_ptr<const upstream::ItemList> items;
    upstream::Freshness freshness;
    std::uint64_t announced;
    std::string prefix;
    bool operator==(const Source&) const = default;
  };
  void add(upstream::Server& server, const std::string& prefix, const upstream::Item& item);

  std::vector<Source> sources_;
  std::uint64_t generation_ = 0, announced_ = 0;
  std::vector<Entry> entries_;
  std::unordered_map<std::string_view, std::size_t> by_key_;  // keys point into entries_, filled when it is complete
  std::vector<Hidden> hidden_;
  std::string text_;
  upstream::Freshness freshness_;
};

class Catalog {
 public:
  Catalog();
  // `before`: what stays the same is shared with it.
  static std::shared_ptr<const Catalog> merge(std::span<upstream::Server* const> servers, const Catalog& before);

  const MergedList& list(ListKind kind) const { return *lists_[static_cast<std::size_t>(kind)]; }
  // Whose text differs between the two.
  Changes changes_since(const Catalog& before) const;
  // Who serves this URI: the first server that lists it, else the first of whose templates one matches. `original` of
  // the entry is the URI or the template. Null: nobody.
  const MergedList::Entry* find_resource(std::string_view uri) const;
  // Of all servers together.
  const upstream::Features& features() const { return features_; }

 private:
  std::array<std::shared_ptr<const MergedList>, upstream::kListKinds> lists_;
  upstream::Features features_;
};

}  // namespace clawql::engine::mcp
