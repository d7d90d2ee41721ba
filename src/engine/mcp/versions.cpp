#include "engine/mcp/versions.hpp"

#include <array>

namespace clawql::engine::mcp {
namespace {

constexpr std::array<std::string_view, 5> kNames{"2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28"};
constexpr std::size_t kHandshakeVersions = 4;

}  // namespace

std::string_view to_string(Version version) {
  return kNames[static_cast<std::size_t>(version)];
}

std::optional<Version> parse_version(std::string_view text) {
  for (std::size_t i = 0; i < kNames.size(); ++i)
    if (kNames[i] == text) return static_cast<Version>(i);
  return std::nullopt;
}

Version negotiate(std::string_view requested) {
  const auto known = parse_version(requested);
  return known && !is_modern(*known) ? *known : Version::v2025_11_25;
}

std::string supported_versions() {
  std::string out;
  for (std::size_t i = kHandshakeVersions; i > 0; --i) {
    if (!out.empty()) out += ", ";
    out += kNames[i - 1];
  }
  return out;
}

bool allows_batches(Version version) {
  return version == Version::v2025_03_26;
}

}  // namespace clawql::engine::mcp
