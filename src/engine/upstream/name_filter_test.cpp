#include "engine/upstream/name_filter.hpp"

#include <gtest/gtest.h>

namespace clawql::engine::upstream {
namespace {

TEST(NameFilter, matches_names_and_globs_whole) {
  const struct {
    std::string_view pattern, name;
    bool matches;
  } cases[] = {
      {"read", "read", true},
      {"read", "read_file", false},
      {"read", "Read", false},
      {"read_*", "read_file", true},
      {"read_*", "read_", true},
      {"read_*", "write", false},
      {"*", "", true},
      {"*", "anything", true},
      {"", "", true},
      {"", "a", false},
      {"?", "a", true},
      {"?", "", false},
      {"a?c", "abc", true},
      {"a?c", "ac", false},
      {"*_file", "a_file", true},
      {"*_file", "a_files", false},
      {"*a*b*", "xaxxbx", true},
      {"*a*b*", "xbxxax", false},
      {"a*a", "a", false},
      {"a*a", "aa", true},
      {"[ab]", "a", false},
      {"[ab]", "[ab]", true},
      {"a**b", "ab", true},
      {"read", "prefix_read", false},
  };
  for (const auto& c : cases) EXPECT_EQ(glob_matches(c.pattern, c.name), c.matches) << c.pattern << " " << c.name;
}

TEST(NameFilter, a_hostile_name_costs_no_exponential_time) {
  const std::string pattern = "*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b";
  EXPECT_FALSE(glob_matches(pattern, std::string(20'000, 'a')));
}

TEST(NameFilter, no_list_allows_everything_and_an_empty_one_nothing) {
  EXPECT_TRUE(allows(std::nullopt, "x"));
  EXPECT_FALSE(allows(std::vector<std::string>{}, "x"));
  EXPECT_TRUE(allows(std::vector<std::string>{"y", "x*"}, "xy"));
  EXPECT_FALSE(allows(std::vector<std::string>{"y", "x*"}, "z"));
}

}  // namespace
}  // namespace clawql::engine::upstream
