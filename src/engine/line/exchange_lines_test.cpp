// Newline JSON: the connection is the session.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/line/line_checks.hpp"
#include "engine/mcp/replies.hpp"

namespace clawql::engine::line {
namespace {

using base::Reason;
using testing::HasSubstr;
using testing_support::call;
using testing_support::DoorStream;
using testing_support::FakeServer;
using testing_support::kList;
using testing_support::kPing;
using testing_support::Rig;
using testing_support::tool;

TEST(Lines, are_a_session_from_initialize_to_the_end_of_the_connection) {
  Rig rig;
  FakeServer& server = rig.serve("s", "s__", {tool("t")});
  DoorStream& stream = rig.lines(
      R"({"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{}}})"
      "\n");
  EXPECT_THAT(stream.body, HasSubstr("\"protocolVersion\":\"2025-11-25\""));
  EXPECT_EQ(stream.body.back(), '\n');
  stream.body.clear();
  rig.more(stream, "\r\n" + std::string(kPing) + "\r\n" + call("2", "s__t"));
  EXPECT_EQ(stream.body, "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}\n");
  stream.body.clear();
  rig.more(stream, "\n");
  ASSERT_EQ(server.calls(), 1U);
  EXPECT_EQ(server.seen(0).principal, "uid:1000");
  rig.door->end(stream.stream);  // half-closed: the answer is still written
  rig.run();
  EXPECT_FALSE(stream.ended);
  server.answer(0, "{}");
  rig.run();
  EXPECT_EQ(stream.body, "{\"jsonrpc\":\"2.0\",\"result\":{},\"id\":2}\n");
  EXPECT_TRUE(stream.ended);
  EXPECT_EQ(rig.shard->core().sessions.size(), 0U);
  EXPECT_TRUE(rig.audited({"session.closed", "uid:1000"}));
}

TEST(Lines, before_initialize_answer_ping_and_know_no_other_method) {
  Rig rig;
  DoorStream& stream = rig.lines(std::string(kPing) + "\n" + std::string(kList) + "\n[]\n{\n" +
                                 R"({"jsonrpc":"2.0","method":"notifications/initialized"})" + "\n");
  EXPECT_EQ(stream.body,
            "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}\n" + mcp::error_response("1", Reason::method_unknown) + "\n" +
                base::refusal_body(Reason::message_invalid) + "\n" + base::refusal_body(Reason::json_invalid) + "\n");
  EXPECT_FALSE(stream.ended);
}

TEST(Lines, second_initialize_is_refused) {
  Rig rig;
  const std::string initialize =
      R"({"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25"}})"
      "\n";
  DoorStream& stream = rig.lines(initialize + initialize);
  EXPECT_THAT(stream.body, HasSubstr("-32600"));
  EXPECT_EQ(rig.shard->core().sessions.size(), 1U);
}

TEST(Lines, too_long_a_line_ends_the_connection) {
  base::Limits limits;
  limits.request_body = 1000;
  Rig rig(limits);
  DoorStream& stream = rig.lines("{" + std::string(2000, ' '));
  EXPECT_EQ(stream.body, base::refusal_body(Reason::body_too_large) + "\n");
  EXPECT_TRUE(stream.ended);
  EXPECT_EQ(rig.refusals(Reason::body_too_large), 1U);
}

TEST(Lines, of_a_client_that_vanished_end_their_session_when_its_last_call_ends) {
  Rig rig;
  FakeServer& server = rig.serve("s", "s__", {tool("t")});
  DoorStream& stream =
      rig.lines(R"({"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25"}})"
                "\n" +
                call("2", "s__t") + "\n");
  rig.door->cancel(stream.stream);
  rig.run();
  EXPECT_EQ(rig.shard->core().sessions.size(), 1U);
  server.answer(0, "{}");
  rig.wait(std::chrono::seconds(6));
  EXPECT_EQ(rig.shard->core().sessions.size(), 0U);
  EXPECT_EQ(rig.shard->core().metrics.answers_dropped.value(), 1U);
}

TEST(Lines, carry_list_changed_and_batches_of_2025_03_26) {
  Rig rig;
  FakeServer& server = rig.serve("s", "s__", {tool("t")});
  rig.wait(std::chrono::seconds(1));
  DoorStream& stream =
      rig.lines(R"({"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-03-26"}})"
                "\n");
  stream.body.clear();
  rig.more(stream, "[" + std::string(kPing) + "," + call("2", "s__t") + "]\n");
  server.answer(0, "{}");
  rig.run();
  EXPECT_EQ(stream.body, R"([{"jsonrpc":"2.0","id":1,"result":{}},{"jsonrpc":"2.0","result":{},"id":2}])"
                         "\n");
  stream.body.clear();
  server.set_tools({});
  rig.shard->on_offer_changed(server);
  rig.wait(std::chrono::seconds(1));
  EXPECT_EQ(stream.body, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/tools/list_changed\"}\n");
}

}  // namespace
}  // namespace clawql::engine::line
