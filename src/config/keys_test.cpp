#include "config/keys.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <set>
#include <sstream>

#include "config/config.hpp"

namespace clawql::config {
namespace {

TEST(Keys, every_key_stands_once_below_a_key_that_exists) {
  std::set<std::string> seen;
  for (const Key& key : keys()) {
    EXPECT_TRUE(seen.insert(key.path).second) << key.path;
    const auto dot = key.path.rfind('.');
    if (dot != std::string::npos) EXPECT_TRUE(seen.contains(key.path.substr(0, dot))) << key.path;
    EXPECT_FALSE(key.standing != Standing::served ? false : key.doc.empty()) << key.path;
  }
}

TEST(Keys, the_defaults_of_the_limits_are_lawful) {
  const Places places{"/c", "/r", "/a"};
  Config config = defaults(places);
  const auto again = parse(show(config), "c.yaml", places, {});
  EXPECT_TRUE(again) << again.error().message;
}

TEST(Reference, the_page_in_docs_is_the_one_that_the_table_makes) {
  std::ifstream file(CLAWQL_SOURCE_FOLDER "/docs/config.md");
  std::stringstream text;
  text << file.rdbuf();
  EXPECT_EQ(text.str(), markdown_reference())
      << "write it anew: build/release/bin/clawql config schema --markdown > docs/config.md";
}

}  // namespace
}  // namespace clawql::config
