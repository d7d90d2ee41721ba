// The file as a tree of texts with marks, read from libyaml's events. What lets one text mean two things is refused:
// duplicate keys, anchors, aliases, tags, several documents. Nothing is converted: `0660`, `no` and `1.10` stay the
// texts they are, and the reader of a key decides. JSON is YAML's flow style, so it is read by the same code.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/problems.hpp"

namespace clawql::config::yaml {

inline constexpr std::size_t kMaxBytes = 1U << 20;
inline constexpr std::size_t kMaxDepth = 32;

struct Member;

struct Node {
  // `refused`: something whose problem was already reported; nothing more is said about it.
  enum class Kind { scalar, sequence, mapping, refused };
  Kind kind = Kind::scalar;
  bool plain = false;  // a scalar without quotes
  bool flow = false;   // a collection in brackets
  std::string text;    // of a scalar
  Mark mark;           // its first character
  Mark end;            // after its last character; of a block collection: the end of its last scalar or bracket
  std::vector<Node> items;
  std::vector<Member> members;

  bool is_scalar() const { return kind == Kind::scalar; }
  // An unquoted null, or nothing at all.
  bool is_null() const;
  // The value of this key of a mapping; nullptr when there is none (or this is no mapping).
  const Node* find(std::string_view key) const;
};

struct Member {
  Node key;
  Node value;
};

// The one document of the text. nullopt: the text is no YAML (reported), or is empty of content (not reported).
std::optional<Node> parse(std::string_view text, Problems& problems);

}  // namespace clawql::config::yaml
