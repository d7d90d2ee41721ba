#include "base/short_block.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <string>
#include <vector>

#include "base/log.hpp"

namespace clawql::base {
namespace {

#if defined(__SSE2__)
// Each text in memory of exactly its size, so that the address sanitizer sees a read beyond it.
TEST(LoadShort, holds_the_text_and_then_zeros) {
  for (std::size_t size = 0; size < 16; ++size) {
    std::vector<char> text(size);
    for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>('a' + i);
    std::array<char, 16> expected{};
    for (std::size_t i = 0; i < size; ++i) expected[i] = text[i];
    const __m128i block = load_short(text.data(), size);
    std::array<char, 16> found{};
    std::memcpy(found.data(), &block, sizeof block);
    EXPECT_EQ(found, expected) << size;
  }
}
#endif

TEST(JsonString, escapes_one_byte_at_every_place_of_every_length) {
  for (std::size_t size = 1; size < 40; ++size) {
    for (std::size_t place = 0; place < size; ++place) {
      std::vector<char> text(size, 'x');
      text[place] = '"';
      std::string expected = '"' + std::string(place, 'x') + "\\\"" + std::string(size - place - 1, 'x') + '"';
      std::string out;
      append_json_string(out, std::string_view(text.data(), size), size);
      EXPECT_EQ(out, expected);
    }
  }
}

}  // namespace
}  // namespace clawql::base
