#include "engine/upstream/claim.hpp"

#include <gtest/gtest.h>

namespace clawql::engine::upstream {
namespace {

const std::string kMembers = R"("io.modelcontextprotocol/protocolVersion":"2026-07-28",)"
                             R"("io.modelcontextprotocol/clientInfo":{"name":"clawql","version":")" CLAWQL_VERSION
                             R"("},"io.modelcontextprotocol/clientCapabilities":{})";

TEST(Claim, is_added_wherever_params_and_meta_stand_or_are_missing_and_changes_no_other_byte) {
  const std::pair<std::string, std::string> cases[] = {
      {R"({"id":1,"method":"x"})", R"({"id":1,"method":"x","params":{"_meta":{)" + kMembers + "}}}"},
      {R"({"params" : { } ,"id":1})", R"({"params" : { "_meta":{)" + kMembers + R"(}} ,"id":1})"},
      {R"({"params":{"n":1e400},"id":1})", R"({"params":{"n":1e400,"_meta":{)" + kMembers + R"(}},"id":1})"},
      {R"({"params":{"_meta":{},"n":1}})", R"({"params":{"_meta":{)" + kMembers + R"(},"n":1}})"},
      {R"({"params":{"_meta":{"progressToken":7}}})", R"({"params":{"_meta":{"progressToken":7,)" + kMembers + "}}}"},
  };
  for (const auto& [before, after] : cases) EXPECT_EQ(Claim().added_to(before, {}), after);
}

TEST(Claim, never_names_a_member_twice) {
  const std::string added =
      Claim().added_to(R"({"params":{"_meta":{"io.modelcontextprotocol/clientInfo":{"name":"mine"}}}})", {});
  EXPECT_TRUE(json::Document::parse(added, {})) << added;
  EXPECT_NE(added.find(R"({"name":"mine"})"), std::string::npos);
  EXPECT_EQ(added.find(R"("name":"clawql")"), std::string::npos);
}

TEST(Claim, leaves_alone_what_is_no_request) {
  for (const std::string text : {"[1]", "{", R"({"params":[1]})", R"({"params":{"_meta":7}})"})
    EXPECT_EQ(Claim().added_to(text, {}), text);
}

TEST(Claim, is_taken_out_again_and_nothing_else) {
  const std::string request = R"({"id":1,"params":{"n":1e400,"_meta":{"progressToken":7,"own/key" : [1]}}})";
  EXPECT_EQ(Claim::removed_from(Claim("info").added_to(request, {}), {}),
            R"({"id":1,"params":{"n":1e400,"_meta":{"progressToken":7,"own/key":[1]}}})");
  EXPECT_EQ(Claim::removed_from(request, {}), request);
  EXPECT_EQ(Claim::removed_from(Claim().added_to(R"({"id":1})", {}), {}), R"({"id":1,"params":{"_meta":{}}})");
  EXPECT_EQ(Claim::removed_from("{", {}), "{");
}

TEST(Claim, asks_for_logs_at_a_level_when_somebody_wants_them) {
  EXPECT_EQ(Claim("warning").meta(), "{" + kMembers + R"(,"io.modelcontextprotocol/logLevel":"warning"})");
}

}  // namespace
}  // namespace clawql::engine::upstream
