#include "telemetry/metrics.hpp"

#include <gtest/gtest.h>

namespace clawql::telemetry {
namespace {

TEST(Metrics, the_same_name_and_labels_are_the_same_counter) {
  Registry registry;
  registry.counter("a_total", "A.", {{"reason", "x"}}).add(2);
  registry.counter("a_total", "A.", {{"reason", "x"}}).add(3);
  registry.counter("a_total", "A.", {{"reason", "y\"z"}}).add();
  EXPECT_EQ(registry.text(),
            "# HELP a_total A.\n# TYPE a_total counter\na_total{reason=\"x\"} 5\na_total{reason=\"y\\\"z\"} 1\n");
}

TEST(Metrics, a_histogram_counts_each_value_in_its_bucket_and_all_above) {
  Registry registry;
  Histogram& histogram = registry.histogram("d_seconds", "D.");
  histogram.observe_microseconds(100);
  histogram.observe_microseconds(101);
  histogram.observe_microseconds(70'000'000);
  const std::string text = registry.text();
  EXPECT_NE(text.find("d_seconds_bucket{le=\"0.0001\"} 1\n"), std::string::npos) << text;
  EXPECT_NE(text.find("d_seconds_bucket{le=\"0.00025\"} 2\n"), std::string::npos);
  EXPECT_NE(text.find("d_seconds_bucket{le=\"60\"} 2\n"), std::string::npos);
  EXPECT_NE(text.find("d_seconds_bucket{le=\"+Inf\"} 3\n"), std::string::npos);
  EXPECT_NE(text.find("d_seconds_count 3\n"), std::string::npos);
}

}  // namespace
}  // namespace clawql::telemetry
