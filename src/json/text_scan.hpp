// The byte loops of this room: runs of plain text, UTF-8 sequences, escapes. Internal to src/json.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "base/short_block.hpp"

namespace clawql::json {

// Bytes that may stand in a JSON string as they are and need no further look: ASCII without controls, `"` and `\`.
constexpr bool is_plain(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte >= 0x20 && byte < 0x80 && c != '"' && c != '\\';
}

// The first byte in [at, end) that is not plain, or end. Reads 16 (8 without SSE2) bytes at once, never beyond end.
inline const char* skip_plain(const char* at, const char* end) {
#if defined(__SSE2__)
  const auto special_in = [](__m128i block) {
    // Compared as signed bytes, so the first comparison finds controls and 0x80..0xff alike.
    return static_cast<unsigned>(_mm_movemask_epi8(_mm_or_si128(
        _mm_cmplt_epi8(block, _mm_set1_epi8(0x20)),
        _mm_or_si128(_mm_cmpeq_epi8(block, _mm_set1_epi8('"')), _mm_cmpeq_epi8(block, _mm_set1_epi8('\\'))))));
  };
  for (; end - at >= 16; at += 16) {
    __m128i block;
    std::memcpy(&block, at, sizeof block);
    if (const unsigned mask = special_in(block); mask != 0) return at + std::countr_zero(mask);
  }
  // The zeros behind the text are special, so one is always found.
  return at + std::countr_zero(special_in(base::load_short(at, static_cast<std::size_t>(end - at))));
#else
  constexpr std::uint64_t kOnes = 0x0101010101010101U;
  constexpr std::uint64_t kHigh = kOnes << 7;
  while (end - at >= 8) {
    std::uint64_t block = 0;
    std::memcpy(&block, at, sizeof block);
    const std::uint64_t quote = block ^ (kOnes * '"');
    const std::uint64_t backslash = block ^ (kOnes * '\\');
    // May name a plain byte above a special one, never misses one: the loop below looks again.
    if (((block | (block - kOnes * 0x20) | (quote - kOnes) | (backslash - kOnes)) & kHigh) != 0) break;
    at += 8;
  }
  while (at != end && is_plain(*at)) ++at;
  return at;
#endif
}

// Length (2 to 4) of the UTF-8 sequence at `at`, whose first byte is >= 0x80; 0 when it is none: overlong, surrogate,
// above U+10FFFF, cut off (Unicode 15, table 3-7).
inline std::size_t utf8_length(const char* at, const char* end) {
  const auto byte = [at](std::size_t i) { return static_cast<unsigned char>(at[i]); };
  const auto continues = [&byte](std::size_t i) { return (byte(i) & 0xc0U) == 0x80U; };
  const auto left = static_cast<std::size_t>(end - at);
  const unsigned char first = byte(0);
  if (first < 0xc2) return 0;
  if (first < 0xe0) return left >= 2 && continues(1) ? 2 : 0;
  if (first < 0xf0) {
    if (left < 3 || !continues(1) || !continues(2)) return 0;
    if (first == 0xe0 && byte(1) < 0xa0) return 0;
    if (first == 0xed && byte(1) > 0x9f) return 0;
    return 3;
  }
  if (first > 0xf4 || left < 4 || !continues(1) || !continues(2) || !continues(3)) return 0;
  if (first == 0xf0 && byte(1) < 0x90) return 0;
  if (first == 0xf4 && byte(1) > 0x8f) return 0;
  return 4;
}

constexpr int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// The four hex digits at `at` as a number, -1 when they are not.
inline int hex4(const char* at, const char* end) {
  if (end - at < 4) return -1;
  int value = 0;
  for (int i = 0; i < 4; ++i) {
    const int digit = hex_value(at[i]);
    if (digit < 0) return -1;
    value = value * 16 + digit;
  }
  return value;
}

constexpr bool is_high_surrogate(int unit) {
  return unit >= 0xd800 && unit <= 0xdbff;
}
constexpr bool is_low_surrogate(int unit) {
  return unit >= 0xdc00 && unit <= 0xdfff;
}

// Reads the text of a string that was validated, piece by piece: runs of bytes as they are, and escapes decoded.
class Unescaper {
 public:
  // `inner`: between the quotes.
  explicit Unescaper(std::string_view inner) : at_(inner.data()), end_(inner.data() + inner.size()) {}
  // The next piece; empty at the end. Valid until the next call.
  std::string_view next();

 private:
  std::string_view decoded(std::uint32_t code_point);

  const char* at_;
  const char* end_;
  std::array<char, 4> buffer_{};
};

}  // namespace clawql::json
