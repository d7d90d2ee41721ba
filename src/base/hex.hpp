// Bytes as lower-case hexadecimal digits, two for each.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

namespace clawql::base {

consteval std::array<std::array<char, 2>, 256> make_hex_pairs() {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::array<std::array<char, 2>, 256> pairs{};
  for (std::size_t byte = 0; byte < pairs.size(); ++byte) pairs[byte] = {kDigits[byte >> 4U], kDigits[byte & 15U]};
  return pairs;
}
inline constexpr auto kHexPairs = make_hex_pairs();

// Writes 2 * bytes.size() characters at `out`; returns the end of them.
constexpr char* write_hex(char* out, std::span<const std::uint8_t> bytes) {
  for (const std::uint8_t byte : bytes) {
    *out++ = kHexPairs[byte][0];
    *out++ = kHexPairs[byte][1];
  }
  return out;
}

}  // namespace clawql::base
