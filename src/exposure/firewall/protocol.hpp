// Names that all rule languages share.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace clawql::exposure::firewall {

inline constexpr std::uint8_t kTcp = 6, kUdp = 17;
inline constexpr unsigned kFin = 1, kSyn = 2, kRst = 4, kAck = 16;

// "tcp" or "6".
std::optional<std::uint8_t> protocol_number(std::string_view name);
std::string_view protocol_name(std::uint8_t number);      // "" for one without a name here
std::optional<unsigned> tcp_flag(std::string_view name);  // in lower case

}  // namespace clawql::exposure::firewall
