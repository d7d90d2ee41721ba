#include "exposure/firewall/interval_set.hpp"

#include <gtest/gtest.h>

#include <random>

namespace clawql::exposure::firewall {
namespace {

constexpr Number kMax = ~Number{0};

IntervalSet random_set(std::mt19937& random, unsigned limit) {
  std::vector<Interval> intervals;
  const unsigned count = random() % 5;
  for (unsigned i = 0; i < count; ++i) {
    const unsigned first = random() % limit;
    intervals.push_back({first, first + random() % 6});
  }
  return IntervalSet::of(std::move(intervals));
}

TEST(IntervalSet, UnionIntersectionAndDifferenceAreThoseOfTheNumbers) {
  std::mt19937 random(1);
  for (int round = 0; round < 5000; ++round) {
    const IntervalSet left = random_set(random, 40), right = random_set(random, 40);
    const IntervalSet both = left.united(right), common = left.intersected(right), rest = left.without(right);
    for (unsigned value = 0; value < 50; ++value) {
      const bool in_left = left.contains(Number{value}), in_right = right.contains(Number{value});
      ASSERT_EQ(both.contains(Number{value}), in_left || in_right);
      ASSERT_EQ(common.contains(Number{value}), in_left && in_right);
      ASSERT_EQ(rest.contains(Number{value}), in_left && !in_right);
    }
    ASSERT_EQ(left.overlaps(right), !common.empty());
    ASSERT_EQ(left.contains(right), right.without(left).empty());
    ASSERT_EQ(rest.united(common), left);  // equal sets are equal values
  }
}

TEST(IntervalSet, TouchingIntervalsAreOne) {
  EXPECT_EQ(IntervalSet(1, 2).united(IntervalSet(3, 4)), IntervalSet(1, 4));
  EXPECT_EQ(IntervalSet(1, 2).united(IntervalSet(4, 4)).intervals().size(), 2U);
}

TEST(IntervalSet, TheLargestNumberDoesNotWrap) {
  const IntervalSet all(0, kMax);
  EXPECT_EQ(all.united(IntervalSet(kMax, kMax)), all);
  EXPECT_TRUE(all.without(all).empty());
  EXPECT_EQ(all.without(IntervalSet::of(kMax)), IntervalSet(0, kMax - 1));
  EXPECT_EQ(all.without(IntervalSet::of(0)), IntervalSet(1, kMax));
}

TEST(IntervalSet, AnIntervalThatEndsBeforeItBeginsIsEmpty) {
  EXPECT_TRUE(IntervalSet(5, 4).empty());
}

}  // namespace
}  // namespace clawql::exposure::firewall
