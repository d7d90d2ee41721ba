#include "engine/upstream/stderr_tail.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/upstream/rate_limit.hpp"

namespace clawql::engine::upstream {
namespace {

using testing::ElementsAre;
using testing::SizeIs;

TEST(StderrTail, keeps_the_last_lines_whole_however_they_arrive) {
  StderrTail tail;
  EXPECT_THAT(tail.feed("first\nsec"), ElementsAre("first"));
  EXPECT_THAT(tail.feed("ond\r\n\n"), ElementsAre("second"));
  EXPECT_THAT(tail.last(5), ElementsAre("first", "second"));
  EXPECT_THAT(tail.last(1), ElementsAre("second"));
  for (int i = 0; i < 200; ++i) tail.feed(std::to_string(i) + "\n");
  EXPECT_THAT(tail.last(1000), SizeIs(StderrTail::kLines));
  EXPECT_EQ(tail.last(1).front(), "199");
}

TEST(StderrTail, lets_no_control_character_through) {
  StderrTail tail;
  tail.feed("\x1b]0;title\x07\x1b[2J\t\"\xff\n");
  EXPECT_THAT(tail.last(1), ElementsAre("\\u001b]0;title\\u0007\\u001b[2J\\t\\\"\\ufffd"));
}

TEST(StderrTail, a_line_without_end_costs_no_more_than_its_limit) {
  StderrTail tail;
  for (int i = 0; i < 1000; ++i) EXPECT_THAT(tail.feed(std::string(1000, 'x')), SizeIs(0));
  EXPECT_THAT(tail.feed("\nnext\n"), SizeIs(2));
  EXPECT_THAT(tail.last(2), ElementsAre(std::string(StderrTail::kLineBytes, 'x') + "…", "next"));
}

TEST(RateLimit, lets_a_burst_pass_then_so_many_a_second_and_counts_the_rest) {
  RateLimit limit(10, 5);
  base::Microseconds now{5'000'000};
  int passed = 0;
  for (int i = 0; i < 100; ++i) passed += limit.take(now) ? 1 : 0;
  EXPECT_EQ(passed, 5);
  EXPECT_EQ(limit.take_suppressed(), 95U);
  EXPECT_EQ(limit.take_suppressed(), 0U);
  now += base::Microseconds(100'000);
  EXPECT_TRUE(limit.take(now));
  EXPECT_FALSE(limit.take(now));
}

}  // namespace
}  // namespace clawql::engine::upstream
