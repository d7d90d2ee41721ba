// Cancellation, progress, log messages: to whom each goes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/line/line_checks.hpp"

namespace clawql::engine::line {
namespace {

using base::Reason;
using testing::HasSubstr;
using testing::Not;
using testing_support::call;
using testing_support::DoorStream;
using testing_support::expect_refused;
using testing_support::FakeServer;
using testing_support::Rig;
using testing_support::tool;

TEST(Cancelled, ends_the_call_without_a_response) {
  Rig rig;
  FakeServer& server = rig.serve("s", "s__", {tool("t")});
  const std::string session = rig.initialize();
  DoorStream& stream = rig.post(call("7", "s__t"), session);
  const char* cancel =
      R"({"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":7,"reason":"changed my mind"}})";
  EXPECT_EQ(rig.post(cancel, session).status, 202);
  ASSERT_EQ(server.cancelled.size(), 1U);
  EXPECT_EQ(server.cancelled[0].second, "changed my mind");
  EXPECT_TRUE(stream.ended);
  EXPECT_EQ(stream.type, ipc::ContentType::event_stream);
  EXPECT_EQ(stream.body, "");
  EXPECT_TRUE(rig.audited({"tools/call", "\"cancelled\"", "call.cancelled"}));
  EXPECT_EQ(rig.post(cancel, session).status, 202) << "a second one crosses nothing";
  EXPECT_EQ(server.cancelled.size(), 1U);
}

TEST(Cancelled, reaches_only_the_senders_own_calls) {
  Rig rig;
  FakeServer& server = rig.serve("s", "s__", {tool("t")});
  const std::string one = rig.initialize();
  const std::string two = rig.initialize();
  DoorStream& stream = rig.post(call("7", "s__t"), one);
  const auto cancel = [](std::string_view id) {
    return R"({"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":)" + std::string(id) + "}}";
  };
  rig.post(cancel("7"), two);
  rig.post(cancel("\"7\""), one);
  rig.post(cancel("null"), one);
  EXPECT_TRUE(server.cancelled.empty());
  EXPECT_FALSE(stream.ended);
  server.answer(0, "{}");
}

TEST(Progress, goes_to_the_stream_of_its_call_with_the_clients_token) {
  Rig rig;
  FakeServer& server = rig.serve("s", "s__", {tool("t")});
  const std::string session = rig.initialize();
  DoorStream& unrelated = rig.get(session);
  DoorStream& stream = rig.post(
      R"({"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"s__t","_meta":{"progressToken":"t\u0031"}}})",
      session);
  EXPECT_TRUE(server.seen(0).wants_progress);
  server.notify(
      0, R"({"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":42,"progress":1,"total":2}})");
  rig.run();
  EXPECT_EQ(stream.type, ipc::ContentType::event_stream);
  EXPECT_FALSE(stream.length.has_value());
  EXPECT_FALSE(stream.ended);
  server.answer(0, "{}");
  rig.run();
  EXPECT_EQ(
      stream.body,
      "retry: 1000\n\nid: 2-0\ndata: \n\nevent: message\nid: 2-1\ndata: "
      R"({"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"t\u0031","progress":1,"total":2}})"
      "\n\nevent: message\nid: 2-2\ndata: "
      R"({"jsonrpc":"2.0","result":{},"id":1})"
      "\n\n");
  EXPECT_TRUE(stream.ended);
  EXPECT_THAT(unrelated.body, Not(HasSubstr("event: message")));
}

TEST(Progress, that_nobody_asked_for_is_dropped) {
  Rig rig;
  FakeServer& server = rig.serve("s", "s__", {tool("t")});
  const std::string session = rig.initialize();
  DoorStream& stream = rig.post(call("1", "s__t"), session);
  server.notify(0, R"({"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":42,"progress":1}})");
  server.answer(0, "{}");
  rig.run();
  EXPECT_EQ(stream.type, ipc::ContentType::json);
  EXPECT_EQ(rig.shard->core().metrics.notifications_dropped.value(), 1U);
}

TEST(Logging, is_asked_for_at_the_least_level_and_filtered_for_each_session) {
  Rig rig;
  FakeServer& server = rig.serve("s", "s__", {tool("t")});
  const std::string loud = rig.initialize();
  const std::string quiet = rig.initialize();
  const auto level = [](std::string_view word) {
    return R"({"jsonrpc":"2.0","id":1,"method":"logging/setLevel","params":{"level":")" + std::string(word) + "\"}}";
  };
  EXPECT_EQ(rig.post(level("debug"), loud).body, R"({"jsonrpc":"2.0","id":1,"result":{}})");
  rig.post(level("error"), quiet);
  EXPECT_EQ(server.log_level, "debug");
  expect_refused(rig, rig.post(level("loud"), quiet), 200, -32602, Reason::params_invalid);

  DoorStream& first = rig.post(call("2", "s__t"), loud);
  DoorStream& second = rig.post(call("2", "s__t"), quiet);
  const std::string message =
      R"({"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"x"}})";
  server.notify(0, message);
  server.notify(1, message);
  server.answer(0, "{}");
  server.answer(1, "{}");
  rig.run();
  EXPECT_THAT(first.body, HasSubstr("data: " + message));
  EXPECT_EQ(second.body, R"({"jsonrpc":"2.0","result":{},"id":2})");
}

}  // namespace
}  // namespace clawql::engine::line
