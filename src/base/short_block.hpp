// The last bytes of a text for loops that look at sixteen bytes at once: most texts here are shorter than that.
#pragma once

#if defined(__SSE2__)
#include <emmintrin.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace clawql::base {

// `size` (0 to 15) bytes from `at` on, then zeros. Reads nothing beyond them.
inline __m128i load_short(const char* at, std::size_t size) {
  const auto load = [at]<class Word>(Word word, std::size_t offset) -> std::uint64_t {
    std::memcpy(&word, at + offset, sizeof word);
    return word;
  };
  // Two words that overlap where the text is no whole number of them: what both hold is shifted out of the second.
  std::uint64_t low = 0;
  std::uint64_t high = 0;
  if (size > 8) {
    low = load(std::uint64_t{}, 0);
    high = load(std::uint64_t{}, size - 8) >> (8 * (16 - size));
  } else if (size >= 4) {
    low = load(std::uint32_t{}, 0) | (load(std::uint32_t{}, size - 4) >> (8 * (8 - size))) << 32;
  } else {
    for (std::size_t i = 0; i < size; ++i) low |= load(std::uint8_t{}, i) << (8 * i);
  }
  return _mm_set_epi64x(static_cast<long long>(high), static_cast<long long>(low));
}

}  // namespace clawql::base
#endif
