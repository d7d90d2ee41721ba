// The cursor of a merged list: where the next page begins, and in which generation of the list. Opaque to clients and
// checked when it comes back, so that nobody can make one up (a bad one is −32602).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace clawql::engine::mcp {

struct Position {
  std::uint64_t list = 0;  // which of them
  std::uint64_t generation = 0;
  std::uint64_t index = 0;
  bool operator==(const Position&) const = default;
};

class CursorSeal {
 public:
  // A key from the kernel's random numbers; cursors end with the process.
  static Result<CursorSeal> make();
  explicit CursorSeal(std::string key) : key_(std::move(key)) {}  // for tests

  std::string seal(const Position& position) const;
  std::optional<Position> open(std::string_view cursor) const;

 private:
  std::string check(std::string_view body) const;
  std::string key_;
};

}  // namespace clawql::engine::mcp
