#include "engine/upstream/builtin_server.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "json/writer.hpp"

namespace clawql::engine::upstream {
namespace {

using testing::HasSubstr;
using testing::Not;

class AnswerSink final : public CallSink {
 public:
  void on_response(const json::Document& message) override {
    const json::Value result = message.root().find("result");
    is_error = result.find("isError").boolean().value_or(false);
    ASSERT_EQ(result.find("content").size(), 1U);
    for (const auto item : result.find("content").elements()) {
      EXPECT_TRUE(item.find("type").equals("text"));
      text = item.find("text").string().value_or("");
    }
  }
  void on_notification(const json::Document&) override { ADD_FAILURE(); }
  void on_failure(const base::Refusal& refusal) override { failure = refusal.reason; }
  std::string text;
  bool is_error = false;
  std::optional<base::Reason> failure;
};

class BuiltinServerTest : public testing::Test {
 protected:
  BuiltinServerTest() {
    limits.audit_ring = 5;
    limits.cache_entries = 3;
    audit.set_file(os::Fd(::open("/dev/null", O_WRONLY | O_CLOEXEC)));
    server = std::make_unique<BuiltinServer>(audit, clock, limits);
  }
  AnswerSink call_with(std::string_view params, std::string_view principal = "uid:1") {
    std::string text = R"({"jsonrpc":"2.0","id":7,"method":"tools/call","params":)";
    text.append(params).append("}");
    AnswerSink sink;
    const auto document = json::Document::parse(text, {.bytes = limits.request_body, .depth = limits.json_depth});
    if (!document) {
      ADD_FAILURE() << text;
      return sink;
    }
    const auto id = server->call({.text = text,
                                  .id = {},
                                  .progress_token = {},
                                  .edits = {},
                                  .params = document->root().find("params"),
                                  .principal = std::string(principal)},
                                 sink);
    EXPECT_EQ(id, std::nullopt);
    return sink;
  }
  AnswerSink call(std::string_view tool, std::string_view arguments, std::string_view principal = "uid:1") {
    std::string params = R"({"name":")";
    params.append(tool).append(R"(","arguments":)").append(arguments).append("}");
    clock.advance(base::Microseconds(10));
    return call_with(params, principal);
  }
  std::string cache(std::string_view arguments, std::string_view principal = "uid:1") {
    const AnswerSink sink = call("cache", arguments, principal);
    EXPECT_FALSE(sink.is_error) << sink.text;
    return sink.text;
  }
  std::string audit_tool(std::string_view arguments, std::string_view principal = "uid:1") {
    const AnswerSink sink = call("audit", arguments, principal);
    EXPECT_FALSE(sink.is_error) << sink.text;
    return sink.text;
  }

  base::FakeClock clock;
  base::Limits limits;
  audit::Log audit{{}, clock, 5, [] {}};
  std::unique_ptr<BuiltinServer> server;
};

TEST_F(BuiltinServerTest, lists_its_two_tools_with_strict_schemas) {
  const auto offer = server->offer();
  const ItemList& tools = offer->list(ListKind::tools);
  ASSERT_EQ(tools.size(), 2U);
  EXPECT_EQ(tools[0].key, "audit");
  EXPECT_EQ(tools[1].key, "cache");
  for (const Item& tool : tools) {
    const auto document = json::Document::parse(tool.json, {});
    ASSERT_TRUE(document);
    EXPECT_EQ(document->root().find("inputSchema").find("additionalProperties").boolean(), false);
    EXPECT_EQ(tool.json.substr(tool.key_offset, tool.key_length), "\"" + tool.key + "\"");
  }
  EXPECT_EQ(server->prefix(), "clawql__");
  EXPECT_EQ(server->state(), State::ready);
}

TEST_F(BuiltinServerTest, cache_answers_in_the_shapes_of_the_reference) {
  const std::pair<std::string_view, std::string_view> steps[] = {
      {R"({"operation":"get","key":"a"})", "{\n  \"ok\": true,\n  \"hit\": false,\n  \"key\": \"a\"\n}"},
      {R"({"operation":"set","key":"a","value":"1 \"x\" \u00e4"})",
       "{\n  \"ok\": true,\n  \"operation\": \"set\",\n  \"key\": \"a\"\n}"},
      {R"({"operation":"get","key":"a"})",
       "{\n  \"ok\": true,\n  \"hit\": true,\n  \"key\": \"a\",\n  \"value\": \"1 \\\"x\\\" ä\"\n}"},
      {R"({"operation":"set","key":"Bb","value":""})",
       "{\n  \"ok\": true,\n  \"operation\": \"set\",\n  \"key\": \"Bb\"\n}"},
      {R"({"operation":"list"})",
       "{\n  \"ok\": true,\n  \"operation\": \"list\",\n  \"count\": 2,\n  \"keys\": [\n    \"Bb\",\n    \"a\"\n  "
       "]\n}"},
      {R"({"operation":"list","prefix":"z"})",
       "{\n  \"ok\": true,\n  \"operation\": \"list\",\n  \"count\": 0,\n  \"keys\": []\n}"},
      {R"({"operation":"search","query":"B","limit":1})",
       "{\n  \"ok\": true,\n  \"operation\": \"search\",\n  \"count\": 1,\n  \"keys\": [\n    \"Bb\"\n  ]\n}"},
      {R"({"operation":"delete","key":"a"})",
       "{\n  \"ok\": true,\n  \"operation\": \"delete\",\n  \"key\": \"a\",\n  \"deleted\": true\n}"},
      {R"({"operation":"delete","key":"a"})",
       "{\n  \"ok\": true,\n  \"operation\": \"delete\",\n  \"key\": \"a\",\n  \"deleted\": false\n}"},
  };
  for (const auto& [arguments, answer] : steps) EXPECT_EQ(cache(arguments), answer) << arguments;
}

TEST_F(BuiltinServerTest, cache_says_how_many_entries_had_to_go) {
  for (const auto* key : {"a", "b", "c"}) cache(std::string(R"({"operation":"set","value":"x","key":")") + key + "\"}");
  EXPECT_THAT(cache(R"({"operation":"set","key":"d","value":"x"})"), HasSubstr("\"evicted\": 1"));
}

TEST_F(BuiltinServerTest, cache_takes_a_value_of_one_mebibyte_and_no_more) {
  const auto set = [&](std::size_t bytes) {
    return call("cache", R"({"operation":"set","key":"a","value":")" + std::string(bytes, 'x') + "\"}");
  };
  EXPECT_FALSE(set(1U << 20).is_error);
  EXPECT_TRUE(set((1U << 20) + 1).is_error);
  EXPECT_THAT(cache(R"({"operation":"get","key":"a"})"), HasSubstr(std::string(1U << 20, 'x')));
}

TEST_F(BuiltinServerTest, bad_input_is_an_error_result_that_says_what_is_wrong) {
  const struct {
    std::string_view tool, arguments, says;
  } cases[] = {
      {"cache", R"({})", "`operation`"},
      {"cache", R"([])", "must be an object"},
      {"cache", R"({"operation":7})", "`operation` must be a string"},
      {"cache", R"({"operation":"drop"})", "must be one of set, get, delete, list, search"},
      {"cache", R"({"operation":"get"})", "operation get needs `key`"},
      {"cache", R"({"operation":"set"})", "operation set needs `key`, `value`"},
      {"cache", R"({"operation":"set","key":"a","value":{}})", "`value` must be a string"},
      {"cache", R"({"operation":"set","key":"","value":"x"})", "`key` must not be empty"},
      {"cache", R"({"operation":"search"})", "needs `query`"},
      {"cache", R"({"operation":"list","limit":0})", "`limit` must be an integer from 1 to 1000"},
      {"cache", R"({"operation":"list","limit":1001})", "`limit` must be an integer from 1 to 1000"},
      {"cache", R"({"operation":"list","limit":1.5})", "`limit` must be an integer from 1 to 1000"},
      {"cache", R"({"operation":"list","limit":"5"})", "`limit` must be an integer from 1 to 1000"},
      {"cache", R"({"operation":"list","Prefix":"a"})", "unknown argument \\\"Prefix\\\""},
      {"audit", R"({"operation":"list","key":"a"})", "unknown argument \\\"key\\\""},
      {"audit", R"({"operation":"append","category":"c","action":"a"})", "operation append needs `summary`"},
      {"audit", R"({"operation":"list","limit":101})", "`limit` must be an integer from 1 to 100"},
      {"audit", R"({"operation":"purge"})", "must be one of append, list, clear"},
  };
  for (const auto& c : cases) {
    const AnswerSink sink = call(c.tool, c.arguments);
    EXPECT_TRUE(sink.is_error) << c.arguments;
    EXPECT_THAT(sink.text, HasSubstr(c.says)) << c.arguments;
    EXPECT_THAT(sink.text, HasSubstr("\"ok\": false"));
  }
  const AnswerSink key = call("cache", R"({"operation":"get","key":")" + std::string(2049, 'k') + "\"}");
  EXPECT_THAT(key.text, HasSubstr("at most 2048 characters"));
  EXPECT_FALSE(call("cache", R"({"operation":"get","key":")" + std::string(2048, 'k') + "\"}").is_error);
}

TEST_F(BuiltinServerTest, each_principal_has_its_own_data) {
  cache(R"({"operation":"set","key":"a","value":"mine"})", "uid:1");
  EXPECT_THAT(cache(R"({"operation":"get","key":"a"})", "uid:2"), HasSubstr("\"hit\": false"));
  EXPECT_THAT(cache(R"({"operation":"list"})", "uid:2"), HasSubstr("\"count\": 0"));
  audit_tool(R"({"operation":"append","category":"c","action":"a","summary":"mine"})", "uid:1");
  EXPECT_THAT(audit_tool(R"({"operation":"list"})", "uid:2"), HasSubstr("\"total\": 0"));
  audit_tool(R"({"operation":"clear"})", "uid:2");
  EXPECT_THAT(audit_tool(R"({"operation":"list"})", "uid:1"), HasSubstr("mine"));
}

TEST_F(BuiltinServerTest, forgets_the_principal_that_was_quiet_longest) {
  cache(R"({"operation":"set","key":"a","value":"x"})", "uid:0");
  for (std::size_t i = 1; i <= BuiltinServer::kPrincipals; ++i)
    cache(R"({"operation":"set","key":"a","value":"x"})", "uid:" + std::to_string(i));
  EXPECT_THAT(cache(R"({"operation":"get","key":"a"})", "uid:" + std::to_string(BuiltinServer::kPrincipals)),
              HasSubstr("\"hit\": true"));
  EXPECT_THAT(cache(R"({"operation":"get","key":"a"})", "uid:0"), HasSubstr("\"hit\": false"));
}

TEST_F(BuiltinServerTest, audit_shows_the_callers_events_and_notes_in_order_of_time) {
  ASSERT_TRUE(audit.record({.type = audit::Type::tool_call,
                            .subtype = "tools/call",
                            .outcome = audit::Outcome::refused,
                            .principal = "uid:1",
                            .server = "files",
                            .tool = "read",
                            .reason = "call.timeout",
                            .detail = "too \"slow\"",
                            .call = "c9"}));
  ASSERT_TRUE(audit.record({.subtype = "somebody else", .principal = "uid:2"}));
  EXPECT_EQ(audit_tool(R"({"operation":"append","category":"c","action":"a","summary":"s","correlationId":"x"})"),
            "{\n  \"ok\": true,\n  \"total\": 2,\n  \"dropped\": 0\n}");
  const std::string list = audit_tool(R"({"operation":"list"})");
  EXPECT_THAT(list, HasSubstr("{\n  \"ok\": true,\n  \"total\": 2,\n  \"maxEntries\": 5,\n  \"entries\": [\n    {\n"));
  EXPECT_THAT(list, HasSubstr("      \"category\": \"TOOL_CALL\",\n      \"action\": \"tools/call\",\n"
                              "      \"summary\": \"refused files read call.timeout too \\\"slow\\\"\",\n"
                              "      \"correlationId\": \"c9\"\n    },\n    {\n"));
  EXPECT_THAT(list, HasSubstr("      \"category\": \"c\",\n      \"action\": \"a\",\n      \"summary\": \"s\",\n"
                              "      \"correlationId\": \"x\"\n    }\n  ]\n}"));
  EXPECT_THAT(list, Not(HasSubstr("somebody else")));
  const std::string one = audit_tool(R"({"operation":"list","limit":1})");
  EXPECT_THAT(one, HasSubstr("\"action\": \"a\""));
  EXPECT_THAT(one, Not(HasSubstr("tools/call")));
}

TEST_F(BuiltinServerTest, audit_clear_empties_the_view_and_nothing_else) {
  ASSERT_TRUE(audit.record({.subtype = "old", .principal = "uid:1"}));
  audit_tool(R"({"operation":"append","category":"c","action":"note","summary":"s"})");
  EXPECT_EQ(audit_tool(R"({"operation":"clear"})"), "{\n  \"ok\": true,\n  \"cleared\": 2\n}");
  EXPECT_THAT(audit_tool(R"({"operation":"list"})"), HasSubstr("\"total\": 0"));
  EXPECT_EQ(audit.recent("uid:1", 10).size(), 1U);
  EXPECT_EQ(audit.written(), 1U);
  ASSERT_TRUE(audit.record({.subtype = "new", .principal = "uid:1"}));
  EXPECT_THAT(audit_tool(R"({"operation":"list"})"), HasSubstr("\"action\": \"new\""));
}

TEST_F(BuiltinServerTest, audit_keeps_so_many_notes_and_counts_what_it_dropped) {
  std::string last;
  for (int i = 0; i < 6; ++i) last = audit_tool(R"({"operation":"append","category":"c","action":"a","summary":"s"})");
  EXPECT_THAT(last, HasSubstr("\"total\": 5,\n  \"dropped\": 1"));
}

TEST_F(BuiltinServerTest, refuses_other_tools_and_takes_the_name_as_edited) {
  EXPECT_EQ(call("clawql__cache", "{}").failure, base::Reason::tool_unknown);
  EXPECT_EQ(call_with("{}").failure, base::Reason::tool_unknown);

  const std::string text =
      R"({"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"clawql__cache","arguments":{"operation":"list"}}})";
  const auto document = json::Document::parse(text, {});
  ASSERT_TRUE(document);
  OutgoingRequest request{.text = text,
                          .id = {},
                          .progress_token = {},
                          .edits = {},
                          .params = document->root().find("params"),
                          .principal = "uid:1"};
  const std::string_view slice = R"("clawql__cache")";
  request.edits.emplace_back(request.text.substr(text.find(slice), slice.size()), R"("cache")");
  AnswerSink sink;
  server->call(request, sink);
  EXPECT_THAT(sink.text, HasSubstr("\"count\": 0"));
}

}  // namespace
}  // namespace clawql::engine::upstream
