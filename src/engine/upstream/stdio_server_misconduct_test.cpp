#include "engine/upstream/stdio_server_rig.hpp"

namespace clawql::engine::upstream {
namespace {

using namespace testing_support;
using base::Reason;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

class StdioServerMisconductTest : public StdioServerRig {};

TEST_F(StdioServerMisconductTest, garbage_on_stdout_is_dropped_and_counted_while_the_rest_works) {
  make_ready();
  RecordingSink sink;
  const CallId id = *call(sink);
  for (const auto* line : {"Server running on stdio", "{\"a\":1", "{\"a\":1,\"a\":2}", "[]", "null", "\xff", "{}"})
    say(line);
  say("");
  say("   \r");
  EXPECT_EQ(server->describe().protocol_errors, 7U) << "blank lines are none";
  say(answer(id));
  EXPECT_FALSE(sink.response.empty());
  EXPECT_EQ(server->state(), State::ready);
}

TEST_F(StdioServerMisconductTest, an_answer_that_cannot_be_read_fails_the_only_call_at_once) {
  make_ready();
  for (const std::string bad :
       {R"(,"result":{},"result":{}})", ",\"result\":{\"text\":\"\xff\"}}", R"(,"result":{"x":[)"}) {
    RecordingSink sink;
    const std::string front = R"({"jsonrpc":"2.0","id":)" + std::to_string(*call(sink));
    say(R"({"jsonrpc":"2.0","method":"notifications/message","params":{"error":"\xff"}, "error":1)");
    say("{'error': 'a print of Python'}");
    EXPECT_FALSE(sink.over);
    say(front + bad);
    ASSERT_TRUE(sink.failure) << bad;
    EXPECT_EQ(sink.failure->reason, Reason::server_unavailable);
  }
  RecordingSink one, two;
  call(one);
  const CallId second = *call(two);
  say(R"({"jsonrpc":"2.0","id":)" + std::to_string(second) + R"(,"result":{},"result":{}})");
  EXPECT_FALSE(one.over || two.over) << "it may be for either";
}

TEST_F(StdioServerMisconductTest, a_hundred_lines_of_garbage_in_a_row_end_in_a_restart) {
  make_ready();
  RecordingSink sink;
  const CallId id = *call(sink);
  for (int i = 0; i < 100; ++i) say("garbage");
  say(R"({"jsonrpc":"2.0","method":"notifications/x"})");
  for (int i = 0; i < 100; ++i) say("garbage");
  EXPECT_FALSE(sink.over);
  say("garbage");
  ASSERT_TRUE(sink.failure);
  EXPECT_EQ(sink.failure->reason, Reason::server_unavailable);
  EXPECT_THAT(sink.failure->for_operator, HasSubstr("no JSON-RPC"));
  EXPECT_THAT(launcher.asked, ElementsAre("start files", "restart files"));
  say(answer(id));  // nothing more is read: the sink would complain
  EXPECT_EQ(server->state(), State::starting);
}

TEST_F(StdioServerMisconductTest, an_over_long_line_ends_in_a_restart) {
  limits.server_message = 1000;
  make();
  make_ready();
  RecordingSink sink;
  const CallId id = *call(sink);
  const std::string fits = answer(id, R"({"x":")" + std::string(900, 'x') + R"("})");
  ASSERT_LE(fits.size(), 1000U);
  say(fits);
  EXPECT_FALSE(sink.response.empty());
  RecordingSink other;
  call(other);
  process.write_all(process.output, std::string(1001, 'x'));
  turn();
  ASSERT_TRUE(other.failure);
  EXPECT_THAT(other.failure->for_operator, HasSubstr("longer than 1000 bytes"));
  EXPECT_THAT(launcher.asked, ElementsAre("start files", "restart files"));
}

TEST_F(StdioServerMisconductTest, a_server_that_misbehaves_again_and_again_is_restarted_later_and_later) {
  limits.server_message = 1000;
  make();
  start();
  const auto misbehave = [&] {
    process.write_all(process.output, std::string(1001, 'x'));
    turn();
    EXPECT_EQ(server->state(), State::failed);
  };
  misbehave();
  EXPECT_THAT(launcher.asked, ElementsAre("start files", "restart files"));
  die("ended as asked", 0);
  start();
  misbehave();
  EXPECT_THAT(launcher.asked, SizeIs(2));
  pass(base::Milliseconds(700));
  EXPECT_THAT(launcher.asked, SizeIs(3));
  die("ended as asked", 0);
  start();
  misbehave();
  pass(base::Milliseconds(700));
  EXPECT_THAT(launcher.asked, SizeIs(3));
  pass(base::Milliseconds(500));
  EXPECT_THAT(launcher.asked, SizeIs(4));
}

TEST_F(StdioServerMisconductTest, a_server_that_does_not_read_is_refused_more_calls_and_then_restarted) {
  limits.call_seconds = 30;
  make();
  make_ready();
  const std::string big =
      R"({"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"x":")" + std::string(4U << 20, 'x') + R"("}})";
  std::vector<std::unique_ptr<RecordingSink>> sinks;
  const auto send = [&] {
    sinks.push_back(std::make_unique<RecordingSink>());
    server->call({.text = big,
                  .id = std::string_view(big).substr(big.find("1,"), 1),
                  .progress_token = {},
                  .edits = {},
                  .principal = "uid:1"},
                 *sinks.back());
    turn();
  };
  for (int i = 0; i < 17; ++i) send();
  EXPECT_FALSE(sinks.back()->over);
  send();
  ASSERT_TRUE(sinks.back()->failure);
  EXPECT_EQ(sinks.back()->failure->reason, Reason::overloaded);
  pass(base::Milliseconds(30'200));
  pass(base::Milliseconds(30'200));
  EXPECT_THAT(launcher.asked, ElementsAre("start files", "restart files"));
  EXPECT_THAT(server->describe().reason, HasSubstr("stdin"));
}

TEST_F(StdioServerMisconductTest, its_own_requests_get_ping_answered_and_everything_else_refused) {
  make_ready();
  say(R"({"jsonrpc":"2.0","id":"p\u0031","method":"ping"})");
  say(R"({"jsonrpc":"2.0","id":3,"method":"sampling/createMessage","params":{}})");
  say(R"({"jsonrpc":"2.0","id":-4,"method":"roots/list"})");
  say(R"({"jsonrpc":"2.0","id":")" + std::string(1000, 'x') + R"(","method":"ping"})");
  EXPECT_THAT(heard(),
              ElementsAre(R"({"jsonrpc":"2.0","id":"p\u0031","result":{}})",
                          R"({"jsonrpc":"2.0","id":3,"error":{"code":-32601,"message":"Method not found"}})",
                          R"({"jsonrpc":"2.0","id":-4,"error":{"code":-32601,"message":"Method not found"}})"));
}

TEST_F(StdioServerMisconductTest, its_flood_of_requests_cannot_fill_our_memory) {
  make_ready();
  for (int i = 0; i < 60'000; ++i) {
    process.say(R"({"jsonrpc":"2.0","id":)" + std::to_string(i) + R"(,"method":"ping"})");
    if (i % 500 == 0) turn();
  }
  turn();
  std::size_t bytes = 0;
  for (auto lines = heard(); !lines.empty(); lines = heard())
    for (const auto& line : lines) bytes += line.size() + 1;
  EXPECT_LT(bytes, StdioServer::kUnsentReplyBytes + (256U << 10));
  EXPECT_EQ(server->state(), State::ready);
}

}  // namespace
}  // namespace clawql::engine::upstream
