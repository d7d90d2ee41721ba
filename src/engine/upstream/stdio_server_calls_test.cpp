#include "engine/upstream/stdio_server_rig.hpp"

namespace clawql::engine::upstream {
namespace {

using namespace testing_support;
using base::Reason;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class StdioServerCallsTest : public StdioServerRig {};

TEST_F(StdioServerCallsTest, a_call_goes_upstream_with_our_id_and_every_other_byte_as_it_came) {
  make_ready();
  RecordingSink sink;
  const auto id = call(sink, R"("cli\u0065nt")");
  ASSERT_TRUE(id);
  EXPECT_THAT(heard(), ElementsAre(R"({"jsonrpc":"2.0","id":)" + std::to_string(*id) +
                                   R"(,"method":"tools/call","params":{"name":"echo","arguments":{"n":1e400}}})"));
  const std::string text = answer(*id, R"({"content":[],"big":123456789012345678901234567890})");
  say(text);
  EXPECT_EQ(sink.response, text);
  EXPECT_EQ(server->describe().calls_in_flight, 0U);
}

TEST_F(StdioServerCallsTest, line_breaks_between_a_clients_tokens_do_not_break_the_framing) {
  make_ready();
  RecordingSink sink;
  const std::string text =
      "{\"jsonrpc\":\"2.0\",\r\n\"id\":1,\n\"method\":\"tools/call\",\"params\":{\"name\":\"echo\"}}";
  ASSERT_TRUE(server->call({.text = text,
                            .id = std::string_view(text).substr(text.find("1,"), 1),
                            .progress_token = {},
                            .edits = {},
                            .principal = "uid:1"},
                           sink));
  const auto lines = heard();
  ASSERT_THAT(lines, SizeIs(1));
  EXPECT_EQ(lines[0], R"({"jsonrpc":"2.0",  "id":4, "method":"tools/call","params":{"name":"echo"}})");
}

TEST_F(StdioServerCallsTest, two_hundred_clients_with_the_same_id_and_token_get_their_own_answers_in_any_order) {
  make_ready();
  std::vector<std::unique_ptr<RecordingSink>> sinks;
  std::vector<CallId> ids;
  for (int i = 0; i < 200; ++i) {
    sinks.push_back(std::make_unique<RecordingSink>());
    ids.push_back(*call(*sinks.back(), "7", "7"));
  }
  for (const auto& line : heard())
    EXPECT_THAT(line, HasSubstr("\"progressToken\":" + std::to_string(id_in(line)) + "}"));
  for (std::size_t i = 200; i-- > 0;) {
    process.say(R"({"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":)" +
                std::to_string(ids[i]) + R"(,"progress":1}})");
    process.say(answer(ids[i], R"({"for":)" + std::to_string(i) + "}"));
  }
  turn();
  for (std::size_t i = 0; i < 200; ++i) {
    EXPECT_THAT(sinks[i]->response, HasSubstr(R"("for":)" + std::to_string(i) + "}"));
    EXPECT_THAT(sinks[i]->notifications, SizeIs(1));
  }
}

TEST_F(StdioServerCallsTest, answers_to_ids_that_are_unknown_late_or_of_another_type_reach_nobody) {
  make_ready();
  RecordingSink sink, cancelled;
  const CallId gone = *call(cancelled);
  server->cancel(gone, "the user changed her mind");
  const CallId id = *call(sink);
  say(answer(gone));
  EXPECT_EQ(server->describe().protocol_errors, 0U) << "late is not wrong";
  say(answer(id + 1000));
  say(answer(0));
  say(R"({"jsonrpc":"2.0","id":")" + std::to_string(id) + R"(","result":{}})");
  say(R"({"jsonrpc":"2.0","id":)" + std::to_string(id) + R"(.0,"result":{}})");
  EXPECT_FALSE(sink.over);
  EXPECT_FALSE(cancelled.over);
  EXPECT_EQ(server->describe().protocol_errors, 4U);
  say(answer(id));
  EXPECT_TRUE(sink.over);
  say(answer(id));  // twice: the sink would complain
}

TEST_F(StdioServerCallsTest, a_malformed_answer_fails_its_call_at_once) {
  make_ready();
  RecordingSink sink;
  const CallId id = *call(sink);
  say(R"({"jsonrpc":"2.0","id":)" + std::to_string(id) + R"(,"result":{},"error":{"code":1,"message":"x"}})");
  ASSERT_TRUE(sink.failure);
  EXPECT_EQ(sink.failure->reason, Reason::server_unavailable);
}

TEST_F(StdioServerCallsTest, an_error_of_the_server_is_an_answer_like_any_other) {
  make_ready();
  RecordingSink sink;
  const CallId id = *call(sink);
  const std::string text =
      R"({"jsonrpc":"2.0","id":)" + std::to_string(id) + R"(,"error":{"code":-32602,"message":"Unknown tool"}})";
  say(text);
  EXPECT_EQ(sink.response, text);
}

TEST_F(StdioServerCallsTest, progress_reaches_only_the_call_that_asked_for_it) {
  make_ready();
  RecordingSink with, without;
  const CallId asked = *call(with, "1", "\"t\"");
  const CallId silent = *call(without, "1");
  const auto progress = [&](const std::string& token) {
    say(R"({"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":)" + token +
        R"(,"progress":1}})");
  };
  progress(std::to_string(asked));
  progress(std::to_string(silent));
  progress("\"t\"");
  progress("99999");
  EXPECT_THAT(with.notifications, SizeIs(1));
  EXPECT_THAT(without.notifications, IsEmpty());
  say(answer(asked));
  progress(std::to_string(asked));
}

TEST_F(StdioServerCallsTest, a_log_message_goes_to_the_only_call_in_flight_else_to_the_gateways_log) {
  make_ready();
  const std::string message =
      R"({"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"x"}})";
  say(message);
  EXPECT_THAT(observer.stray, SizeIs(1));
  RecordingSink one, two;
  const CallId first = *call(one);
  say(message);
  EXPECT_THAT(one.notifications, ElementsAre(message));
  call(two);
  say(message);
  EXPECT_THAT(one.notifications, SizeIs(1));
  EXPECT_THAT(two.notifications, IsEmpty());
  EXPECT_THAT(observer.stray, SizeIs(2));
  say(answer(first));
  for (int i = 0; i < 3; ++i) say(message);
  EXPECT_THAT(two.notifications, SizeIs(3));
}

TEST_F(StdioServerCallsTest, a_flood_of_stray_log_messages_does_not_reach_the_log_whole) {
  make_ready();
  for (int i = 0; i < 500; ++i)
    say(R"({"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"x"}})");
  EXPECT_THAT(observer.stray, SizeIs(50));
}

TEST_F(StdioServerCallsTest, cancel_tells_the_server_with_our_id_and_the_escaped_reason) {
  make_ready();
  RecordingSink sink;
  const CallId id = *call(sink);
  heard();
  server->cancel(id, "a \"b\"\n{}");
  EXPECT_THAT(heard(), ElementsAre(R"({"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":)" +
                                   std::to_string(id) + R"(,"reason":"a \"b\"\n{}"}})"));
  server->cancel(id, "again");
  server->cancel(12345, "never made");
  EXPECT_THAT(heard(), IsEmpty());
  EXPECT_FALSE(sink.over);
}

TEST_F(StdioServerCallsTest, a_call_without_answer_ends_at_its_limit_and_the_server_is_told) {
  settings.call_seconds = 7;
  make();
  make_ready();
  RecordingSink sink;
  const CallId id = *call(sink);
  heard();
  pass(base::Milliseconds(6'800));
  EXPECT_FALSE(sink.over);
  pass(base::Milliseconds(400));
  ASSERT_TRUE(sink.failure);
  EXPECT_EQ(sink.failure->reason, Reason::call_timeout);
  EXPECT_THAT(heard(), ElementsAre(AllOf(HasSubstr("notifications/cancelled"), HasSubstr(std::to_string(id)))));
  say(answer(id));  // late: the sink would complain
}

TEST_F(StdioServerCallsTest, batches_are_taken_from_2025_03_26_alone) {
  for (const bool batches : {true, false}) {
    make();
    start();
    answer_initialize(batches ? "2025-03-26" : "2025-06-18");
    answer_list(R"({"tools":[]})");
    heard();
    RecordingSink one, two;
    const CallId first = *call(one);
    const CallId second = *call(two);
    say("[" + answer(first) + "," + answer(second) + ",7,[]]");
    EXPECT_EQ(one.over, batches);
    EXPECT_EQ(two.over, batches);
    EXPECT_EQ(server->describe().protocol_errors, batches ? 2U : 1U);
    server->cancel(first, "");
    server->cancel(second, "");
  }
}

}  // namespace
}  // namespace clawql::engine::upstream
