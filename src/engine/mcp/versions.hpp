// The protocol revisions of the handshake era, and which one a session speaks.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace clawql::engine::mcp {

enum class Version : std::uint8_t { v2024_11_05, v2025_03_26, v2025_06_18, v2025_11_25 };

std::string_view to_string(Version version);
std::optional<Version> parse_version(std::string_view text);
// The version asked for when it is known, else the newest (lifecycle, "Version Negotiation").
Version negotiate(std::string_view requested);
// "2025-11-25, 2025-06-18, …", newest first.
std::string supported_versions();
// JSON-RPC batches exist in this revision alone.
bool allows_batches(Version version);

}  // namespace clawql::engine::mcp
