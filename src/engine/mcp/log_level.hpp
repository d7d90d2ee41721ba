// The severities of MCP log messages (RFC 5424 section 6.2.1), from the least severe.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace clawql::engine::mcp {

enum class LogLevel : std::uint8_t { debug, info, notice, warning, error, critical, alert, emergency };
inline constexpr std::array<std::string_view, 8> kLogLevels{"debug", "info",     "notice", "warning",
                                                            "error", "critical", "alert",  "emergency"};

inline std::string_view to_string(LogLevel level) {
  return kLogLevels[static_cast<std::size_t>(level)];
}

inline std::optional<LogLevel> parse_log_level(std::string_view text) {
  for (std::size_t i = 0; i < kLogLevels.size(); ++i)
    if (kLogLevels[i] == text) return static_cast<LogLevel>(i);
  return std::nullopt;
}

}  // namespace clawql::engine::mcp
