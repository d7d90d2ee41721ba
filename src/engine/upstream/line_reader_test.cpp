#include "engine/upstream/line_reader.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace clawql::engine::upstream {
namespace {

using testing::ElementsAre;

std::vector<std::string> read(LineReader& reader, std::string_view bytes) {
  std::vector<std::string> lines;
  reader.feed(bytes);
  while (const auto line = reader.next()) lines.emplace_back(*line);
  return lines;
}

TEST(LineReader, finds_the_same_lines_wherever_the_bytes_are_cut) {
  const std::string text = "{\"a\":1}\n\nlonger line with \xc3\xa4\n{}\nunfinished";
  for (std::size_t first = 0; first <= text.size(); ++first) {
    for (std::size_t second = first; second <= text.size(); ++second) {
      LineReader reader(100);
      std::vector<std::string> lines;
      for (const auto& piece : {text.substr(0, first), text.substr(first, second - first), text.substr(second)})
        for (auto& line : read(reader, piece)) lines.push_back(std::move(line));
      EXPECT_THAT(lines, ElementsAre("{\"a\":1}", "", "longer line with \xc3\xa4", "{}")) << first << ' ' << second;
      EXPECT_EQ(reader.held(), 10U);
    }
  }
}

TEST(LineReader, takes_a_line_at_the_limit_and_refuses_one_byte_more) {
  for (const std::size_t cut : {1UL, 5UL, 10UL}) {
    LineReader reader(10);
    const std::string fits = std::string(10, 'x') + "\n";
    EXPECT_THAT(read(reader, fits.substr(0, cut)), ElementsAre());
    EXPECT_THAT(read(reader, fits.substr(cut)), ElementsAre(std::string(10, 'x')));
    EXPECT_FALSE(reader.too_long());
    EXPECT_THAT(read(reader, std::string(11, 'y')), ElementsAre());
    EXPECT_TRUE(reader.too_long());
  }
}

TEST(LineReader, refuses_a_long_line_before_its_end_and_holds_nothing_of_it) {
  LineReader reader(10);
  EXPECT_THAT(read(reader, "ok\n0123456789"), ElementsAre("ok"));
  EXPECT_FALSE(reader.too_long());
  EXPECT_THAT(read(reader, "0"), ElementsAre());
  EXPECT_TRUE(reader.too_long());
  EXPECT_EQ(reader.held(), 0U);
  EXPECT_THAT(read(reader, "\n{}\n"), ElementsAre()) << "nothing after it is believed";
}

}  // namespace
}  // namespace clawql::engine::upstream
