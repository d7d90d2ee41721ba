// What the shards of one engine count together: the limits of all are limits of all. Relaxed atomics, because each
// number stands alone: it is compared with a limit, and nothing is published by it. Two shards that ask in the same
// instant may both be let in, so a limit can be passed by as many as there are shards, never by more.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "engine/identity/principal.hpp"
#include "engine/mcp/cursor.hpp"
#include "engine/mcp/log_level.hpp"
#include "engine/mcp/task_book.hpp"

namespace clawql::engine::line {

// The least severe log level that a session of each shard wants. Not relaxed: a shard is told by post() to look again,
// and must see then what was set before the post.
class LogLevels {
 public:
  static constexpr std::size_t kShards = 256;

  LogLevels() {
    for (auto& level : levels_) level.store(kNone);
  }
  // True when this changes what that shard wants.
  bool set(std::uint8_t shard, std::optional<mcp::LogLevel> level) {
    const std::uint8_t wanted = level ? static_cast<std::uint8_t>(*level) : kNone;
    return levels_[shard].exchange(wanted) != wanted;
  }
  std::optional<mcp::LogLevel> least() const {
    std::uint8_t least = kNone;
    for (const auto& level : levels_) least = std::min(least, level.load());
    return least == kNone ? std::nullopt : std::optional(static_cast<mcp::LogLevel>(least));
  }

 private:
  static constexpr std::uint8_t kNone = 255;
  std::array<std::atomic<std::uint8_t>, kShards> levels_;
};

struct Common {
  explicit Common(mcp::CursorSeal seal) : cursors(std::move(seal)) {}

  const mcp::CursorSeal cursors;  // a request without a session may go on in another shard
  std::atomic<std::size_t> in_flight{0};
  std::atomic<std::size_t> sessions{0};
  std::atomic<std::size_t> listens{0};
  std::atomic<std::size_t> buffered_bytes{0};
  identity::PrincipalCounts principals;
  LogLevels log_levels;
  mcp::TaskBook tasks;
};

}  // namespace clawql::engine::line
