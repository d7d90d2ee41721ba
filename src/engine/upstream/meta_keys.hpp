// The members of `_meta` that 2026-07-28 reserves (basic/index, "Request metadata"; basic/patterns/subscriptions), and
// the one by which a message of 2025-11-25 says to which task it belongs (basic/utilities/tasks).
#pragma once

#include <string_view>

namespace clawql::engine::upstream {

inline constexpr std::string_view kModernVersion = "2026-07-28";
inline constexpr std::string_view kVersionKey = "io.modelcontextprotocol/protocolVersion";
inline constexpr std::string_view kCapabilitiesKey = "io.modelcontextprotocol/clientCapabilities";
inline constexpr std::string_view kClientInfoKey = "io.modelcontextprotocol/clientInfo";
inline constexpr std::string_view kLogLevelKey = "io.modelcontextprotocol/logLevel";
inline constexpr std::string_view kSubscriptionId = "io.modelcontextprotocol/subscriptionId";
inline constexpr std::string_view kRelatedTask = "io.modelcontextprotocol/related-task";
inline constexpr std::string_view kServerInfo = "io.modelcontextprotocol/serverInfo";

}  // namespace clawql::engine::upstream
