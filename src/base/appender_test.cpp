#include "base/appender.hpp"

#include <gtest/gtest.h>

#include <limits>

#include "base/hex.hpp"
#include "base/log.hpp"

namespace clawql::base {
namespace {

TEST(Appender, appends_to_what_is_there_and_grows_when_the_room_was_too_small) {
  std::string text = "begin ";
  std::string expected = text;
  {
    Appender out(text, 1);
    for (int i = 0; i < 200; ++i) {
      out.put("piece");
      out.put(',');
      out.put(std::string_view());
      out.put_decimal(i);
      expected += "piece," + std::to_string(i);
    }
  }
  EXPECT_EQ(text, expected);
}

TEST(Appender, leaves_the_string_as_it_was_when_nothing_comes) {
  std::string text = "whole";
  {
    const Appender out(text, 500);
  }
  EXPECT_EQ(text, "whole");
}

TEST(Appender, writes_the_outermost_numbers) {
  std::string text;
  {
    Appender out(text, 0);
    out.put_decimal(std::numeric_limits<std::int64_t>::min());
    out.put_decimal(std::numeric_limits<std::uint64_t>::max());
  }
  EXPECT_EQ(text, "-922337203685477580818446744073709551615");
}

TEST(Hex, writes_two_digits_a_byte) {
  std::string text;
  {
    Appender out(text, 0);
    write_hex(out.take(6), std::array<std::uint8_t, 3>{0x00, 0x9A, 0xFF});
  }
  EXPECT_EQ(text, "009aff");
}

// The scan takes sixteen bytes at once: what is special must be seen at every place in and around them.
TEST(JsonString, escapes_what_is_special_at_every_position) {
  const std::pair<std::string, std::string> kSpecial[] = {
      {"\"", "\\\""},       {"\\", "\\\\"},        {"\n", "\\n"},
      {"\x01", "\\u0001"},  {"\x7F", "\\u007f"},   {"\xFF", "\\ufffd"},
      {"\u00e9", "\u00e9"}, {"\u202e", "\\u202e"}, {std::string(1, '\0'), "\\u0000"}};
  for (const auto& [raw, escaped] : kSpecial) {
    for (std::size_t before = 0; before < 40; ++before) {
      const std::string left(before, 'a'), right(40 - before, 'z');
      std::string out = "x";
      append_json_string(out, left + raw + right);
      EXPECT_EQ(out, "x\"" + left + escaped + right + "\"");
    }
  }
}

TEST(JsonString, shows_so_many_bytes_and_says_that_there_were_more) {
  std::string out;
  append_json_string(out, std::string(40, 'a'), 20);
  EXPECT_EQ(out, "\"" + std::string(20, 'a') + "…\"");
  out.clear();
  append_json_string(out, std::string(20, 'a'), 20);
  EXPECT_EQ(out, "\"" + std::string(20, 'a') + "\"");
}

}  // namespace
}  // namespace clawql::base
