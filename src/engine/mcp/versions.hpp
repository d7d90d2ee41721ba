// The protocol revisions that are spoken here. All but the newest are of the handshake era: a session is opened by
// `initialize` and keeps its version. Those from 2026-07-28 on carry their version in every request.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace clawql::engine::mcp {

enum class Version : std::uint8_t { v2024_11_05, v2025_03_26, v2025_06_18, v2025_11_25, v2026_07_28 };

std::string_view to_string(Version version);
std::optional<Version> parse_version(std::string_view text);
inline bool is_modern(Version version) {
  return version >= Version::v2026_07_28;
}
// The version asked for when it is known and of the handshake era, else the newest of that era (lifecycle, "Version
// Negotiation").
Version negotiate(std::string_view requested);
// "2025-11-25, 2025-06-18, …": of the handshake era, newest first.
std::string supported_versions();
// JSON-RPC batches exist in this revision alone.
bool allows_batches(Version version);

}  // namespace clawql::engine::mcp
