#include "json/removal.hpp"

#include <gtest/gtest.h>

#include "json/writer.hpp"

namespace clawql::json {
namespace {

std::string without(std::string_view text, std::string_view key) {
  const auto document = Document::parse(text, {});
  EXPECT_TRUE(document) << text;
  Splice splice(text);
  splice.replace(removal_of(document->root(), key), "");
  return splice.str();
}

TEST(Removal, takes_the_member_with_one_comma_and_leaves_every_other_byte) {
  EXPECT_EQ(without(R"({ "a" : 1 , "b":[2, 3], "c":{} })", "a"), R"({ "b":[2, 3], "c":{} })");
  EXPECT_EQ(without(R"({ "a" : 1 , "b":[2, 3], "c":{} })", "b"), R"({ "a" : 1, "c":{} })");
  EXPECT_EQ(without(R"({ "a" : 1 , "b":[2, 3], "c":{} })", "c"), R"({ "a" : 1 , "b":[2, 3] })");
  EXPECT_EQ(without(R"({ "a" : 1 })", "a"), R"({  })");
  EXPECT_EQ(without(R"({"a\u0062":1,"c":2})", "ab"), R"({"c":2})");
}

TEST(Removal, is_nothing_where_there_is_no_such_member) {
  for (const char* text : {R"({"b":1})", "{}", "[1]", "null"}) {
    const auto document = Document::parse(text, {});
    EXPECT_TRUE(removal_of(document->root(), "a").empty()) << text;
  }
  EXPECT_TRUE(removal_of({}, "a").empty());
}

}  // namespace
}  // namespace clawql::json
