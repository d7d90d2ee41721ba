// The tools of all servers as one list: in configuration order, each under its server's prefix, every byte of a tool
// but its name as the server wrote it. A name belongs to one server; the later one of two is hidden and reported. An
// immutable snapshot, made anew when a server's list changes.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engine/upstream/server.hpp"

namespace clawql::engine::mcp {

// Longest name that is shown (MCP 2025-11-25, tool names).
inline constexpr std::size_t kMaxToolName = 128;

class Catalog {
 public:
  struct Entry {
    std::string shown;           // unescaped: what a client calls
    upstream::Server* server;    // borrowed: the shard makes a new catalogue before one goes
    std::string original;        // unescaped, as the server knows it
    std::string original_raw;    // as the server writes it, with quotes; empty where the shown name is the same
    std::size_t offset, length;  // of its JSON in the merged text
  };
  struct Hidden {
    std::string item;       // shown name
    std::string owner;      // server whose item it is
    std::string hidden_by;  // server that has the name already, or "limit" where the name is too long
  };
  struct Page {
    std::string_view items;  // JSON objects with commas between them
    std::size_t next;        // index of the next page's first item; 0: this is the last page
  };

  // `before`: its generation is kept when the merged text is the same.
  static std::shared_ptr<const Catalog> merge(std::span<upstream::Server* const> servers, const Catalog* before);

  const Entry* find(std::string_view shown) const;
  // nullopt when `first` is no index of this list. An empty list has one empty page, at 0.
  std::optional<Page> page(std::size_t first) const;
  std::size_t size() const { return entries_.size(); }
  std::uint64_t generation() const { return generation_; }
  const std::vector<Hidden>& hidden() const { return hidden_; }

 private:
  void add(upstream::Server& server, const upstream::Tool& tool);

  std::uint64_t generation_ = 1;
  std::vector<Entry> entries_;
  std::unordered_map<std::string_view, std::size_t> by_name_;  // keys point into entries_, filled when it is complete
  std::vector<Hidden> hidden_;
  std::string text_;
};

}  // namespace clawql::engine::mcp
