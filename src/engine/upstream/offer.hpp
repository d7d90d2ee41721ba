// What a server offers: its features and its lists, byte for byte as it wrote them. Immutable snapshots, so that they
// can be shared between shards.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace clawql::engine::upstream {

enum class ListKind : std::uint8_t { tools, resources, templates, prompts };
inline constexpr std::size_t kListKinds = 4;
inline constexpr std::array<ListKind, kListKinds> kAllLists{ListKind::tools, ListKind::resources, ListKind::templates,
                                                            ListKind::prompts};

struct Item {
  std::string key;                             // name, uri or uriTemplate: unescaped, as the server knows it
  std::string json;                            // the whole object, byte for byte
  std::size_t key_offset = 0, key_length = 0;  // of the key's raw value in `json`, with its quotes
};
using ItemList = std::vector<Item>;  // in the server's order, already cut to the entry's allow-list

// How long a list may be kept (2026-07-28, caching). A server of the handshake era says nothing: 0 and private.
struct Freshness {
  std::uint64_t ttl_ms = 0;
  bool is_public = false;
  bool operator==(const Freshness&) const = default;
};

// What it declared in its handshake, or in server/discover.
struct Features {
  bool tools = false, resources = false, subscribe = false, prompts = false, completions = false, logging = false;
  bool tasks = false, cancels_tasks = false;                 // 2025-11-25: tools/call as a task; tasks/cancel
  bool speaks_handshake_era = false, speaks_modern = false;  // one of them or both
  bool operator==(const Features&) const = default;
};

struct Offer {
  Features features;
  std::array<std::shared_ptr<const ItemList>, kListKinds> lists;  // never null
  std::array<Freshness, kListKinds> freshness;
  // How often the server said that this list changed, and it was fetched anew: clients hear of it, whatever differs.
  std::array<std::uint64_t, kListKinds> announced{};

  Offer() {
    for (auto& list : lists) list = std::make_shared<const ItemList>();
  }
  const ItemList& list(ListKind kind) const { return *lists[static_cast<std::size_t>(kind)]; }
  bool is_empty() const {
    for (const auto& list : lists)
      if (!list->empty()) return false;
    return true;
  }
};

}  // namespace clawql::engine::upstream
