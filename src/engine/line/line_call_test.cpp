// Calls: what goes to the server, what comes back, and every way in which one ends.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/line/line_checks.hpp"

namespace clawql::engine::line {
namespace {

using base::Reason;
using testing::HasSubstr;
using testing_support::call;
using testing_support::DoorStream;
using testing_support::expect_refused;
using testing_support::FakeServer;
using testing_support::kPing;
using testing_support::Rig;
using testing_support::tool;

TEST(ToolsCall, goes_upstream_byte_for_byte_but_for_its_prefix_and_comes_back_with_the_clients_id) {
  Rig rig;
  FakeServer& server = rig.serve("files", "files__", {tool("read")});
  const std::string session = rig.initialize();
  const std::string odd =
      R"({ "params" : {"arguments":{"z":12345678901234567890123,"a":"\u0041\/\ud83d\ude00","e":1E400,"n":-0.0},"name":"files__read","extra":[]},"id":"x\u0041","method":"tools\/call", "jsonrpc":"2.0"})";
  DoorStream& stream = rig.post(odd, session);
  ASSERT_EQ(server.calls(), 1U);
  std::string expected = odd;
  expected.replace(expected.find("files__read"), 11, "read");
  EXPECT_EQ(server.seen(0).text, expected);
  EXPECT_EQ(server.seen(0).principal, "loopback");
  EXPECT_TRUE(rig.audited(
      {"\"intent\"", "files", "read",
       audit::sha256_hex(R"({"z":12345678901234567890123,"a":"\u0041\/\ud83d\ude00","e":1E400,"n":-0.0})")}));
  server.answer(0, R"({ "content":[{"type":"text","text":"\u00e9"}], "big":98765432109876543210 })");
  rig.run();
  EXPECT_EQ(stream.status, 200);
  EXPECT_EQ(stream.type, ipc::ContentType::json);
  EXPECT_EQ(
      stream.body,
      R"({"jsonrpc":"2.0","result":{ "content":[{"type":"text","text":"\u00e9"}], "big":98765432109876543210 },"id":"x\u0041"})");
  EXPECT_EQ(stream.length, stream.body.size());
  EXPECT_TRUE(rig.audited({"\"success\"", "tools/call"}));
}

TEST(ToolsCall, of_two_clients_with_the_same_id_never_meet) {
  Rig rig;
  FakeServer& server = rig.serve("s", "s__", {tool("t")});
  const std::string one = rig.initialize();
  const std::string two = rig.initialize();
  DoorStream& first = rig.post(call("1", "s__t", R"({"who":1})"), one);
  DoorStream& second = rig.post(call("1", "s__t", R"({"who":2})"), two);
  server.answer(1, R"({"for":2})");
  server.answer(0, R"({"for":1})");
  rig.run();
  EXPECT_EQ(first.body, R"({"jsonrpc":"2.0","result":{"for":1},"id":1})");
  EXPECT_EQ(second.body, R"({"jsonrpc":"2.0","result":{"for":2},"id":1})");
}

TEST(ToolsCall, with_an_id_in_flight_is_refused_and_a_string_is_another_id) {
  Rig rig;
  FakeServer& server = rig.serve("s", "s__", {tool("t")});
  const std::string session = rig.initialize();
  DoorStream& first = rig.post(call("1", "s__t"), session);
  expect_refused(rig, rig.post(call("1", "s__t"), session), 400, -32600, Reason::request_id_in_use);
  DoorStream& other = rig.post(call("\"1\"", "s__t"), session);
  server.answer(0, "{}");
  server.answer(1, "{}");
  rig.run();
  EXPECT_TRUE(first.ended);
  EXPECT_THAT(other.body, HasSubstr(R"("id":"1")"));
  EXPECT_EQ(server.calls(), 2U);
}

TEST(ToolsCall, of_an_unknown_tool_is_refused_and_nothing_goes_upstream) {
  Rig rig;
  FakeServer& server = rig.serve("s", "s__", {tool("t")});
  const std::string session = rig.initialize();
  for (const char* name : {"s__u", "t", "S__T", "s__t ", ""})
    expect_refused(rig, rig.post(call("1", name), session), 200, -32602, Reason::tool_unknown);
  EXPECT_EQ(server.calls(), 0U);
}

TEST(ToolsCall, with_bad_parameters_is_refused) {
  Rig rig;
  FakeServer& server = rig.serve("s", "s__", {tool("t")});
  const std::string session = rig.initialize();
  for (const char* params : {R"({})", R"({"name":1})", R"({"name":"s__t","arguments":[]})",
                             R"({"name":"s__t","_meta":{"progressToken":1.5}})", "[]", "null"})
    expect_refused(
        rig,
        rig.post(R"({"jsonrpc":"2.0","id":1,"method":"tools/call","params":)" + std::string(params) + "}", session),
        200, -32602, Reason::params_invalid);
  EXPECT_EQ(server.calls(), 0U);
}

TEST(ToolsCall, tells_errors_of_tools_and_servers_apart_from_success_in_the_audit) {
  Rig rig;
  FakeServer& server = rig.serve("s", "s__", {tool("t")});
  const std::string session = rig.initialize();
  rig.post(call("1", "s__t"), session);
  server.answer(0, R"({"content":[],"isError":true})");
  EXPECT_TRUE(rig.audited({"tools/call", "\"error\""}));
}

TEST(ToolsCall, whose_server_dies_is_answered_at_once) {
  Rig rig;
  FakeServer& server = rig.serve("s", "s__", {tool("t")});
  const std::string session = rig.initialize();
  DoorStream& stream = rig.post(call("1", "s__t"), session);
  server.fail(0, Reason::server_unavailable);
  rig.run();
  EXPECT_EQ(stream.status, 200);
  EXPECT_EQ(
      stream.body,
      R"({"jsonrpc":"2.0","id":1,"error":{"code":-32603,"message":"The server behind this tool is not available","data":{"reason":"server.unavailable"}}})");
  EXPECT_EQ(rig.refusals(Reason::server_unavailable), 1U);
  EXPECT_TRUE(rig.audited({"tools/call", "\"error\"", "server.unavailable"}));
}

TEST(ToolsCall, that_takes_too_long_is_cancelled_upstream_and_answered) {
  base::Limits limits;
  limits.call_seconds = 5;
  Rig rig(limits);
  FakeServer& server = rig.serve("s", "s__", {tool("t")});
  const std::string session = rig.initialize();
  DoorStream& stream = rig.post(call("1", "s__t"), session);
  rig.wait(std::chrono::seconds(4));
  EXPECT_FALSE(stream.ended);
  rig.wait(std::chrono::seconds(2));
  EXPECT_THAT(stream.body, HasSubstr(R"("reason":"call.timeout")"));
  ASSERT_EQ(server.cancelled.size(), 1U);
  EXPECT_EQ(server.cancelled[0].first, server.seen(0).id);
  EXPECT_TRUE(rig.audited({"tools/call", "call.timeout"}));
  EXPECT_EQ(rig.shard->core().in_flight, 0U);
}

TEST(ToolsCall, is_limited_a_session_a_principal_and_overall) {
  base::Limits limits;
  limits.in_flight_session = 1;
  limits.in_flight_peer = 2;
  limits.in_flight = 3;
  Rig rig(limits);
  FakeServer& server = rig.serve("s", "s__", {tool("t")});
  const std::string one = rig.initialize();
  const std::string two = rig.initialize();
  const std::string three = rig.initialize();
  const std::string user = rig.initialize("2025-11-25", 1000);
  const std::string other = rig.initialize("2025-11-25", 1001);
  rig.post(call("1", "s__t"), one);
  expect_refused(rig, rig.post(call("2", "s__t"), one), 429, -32603, Reason::too_many_requests);
  rig.post(call("1", "s__t"), two);
  expect_refused(rig, rig.post(call("1", "s__t"), three), 429, -32603, Reason::too_many_requests);
  rig.send(call("1", "s__t"), {.session = user, .uid = 1000});
  EXPECT_EQ(server.calls(), 3U);
  expect_refused(rig, rig.send(call("1", "s__t"), {.session = other, .uid = 1001}), 429, -32603,
                 Reason::too_many_requests);
  server.answer(0, "{}");
  rig.run();
  rig.post(call("3", "s__t"), one);
  EXPECT_EQ(server.calls(), 4U);
}

TEST(ToolsCall, does_not_go_upstream_when_its_intent_cannot_be_recorded) {
  Rig rig;
  FakeServer& server = rig.serve("s", "s__", {tool("t")});
  const std::string session = rig.initialize();
  rig.audit.set_file(os::Fd(::open("/dev/full", O_WRONLY | O_CLOEXEC)));
  DoorStream& stream = rig.post(call("1", "s__t"), session);
  EXPECT_EQ(stream.status, 503);
  EXPECT_THAT(stream.body, HasSubstr(R"("code":-32603)"));
  EXPECT_THAT(stream.body, HasSubstr(R"("reason":"audit.unavailable")"));
  EXPECT_EQ(rig.refusals(Reason::audit_unavailable), 1U);
  EXPECT_EQ(server.calls(), 0U);
}

TEST(ToolsCall, of_a_client_that_vanished_runs_on_and_its_answer_is_dropped) {
  Rig rig;
  FakeServer& server = rig.serve("s", "s__", {tool("t")});
  const std::string session = rig.initialize();
  DoorStream& stream = rig.post(call("1", "s__t"), session);
  rig.door->cancel(stream.stream);
  rig.run();
  EXPECT_TRUE(server.cancelled.empty());
  EXPECT_EQ(rig.shard->core().in_flight, 1U);
  server.answer(0, "{}");
  rig.run();
  EXPECT_EQ(rig.shard->core().in_flight, 0U);
  EXPECT_EQ(rig.shard->core().metrics.answers_dropped.value(), 1U);
  EXPECT_TRUE(rig.audited({"\"success\"", "tools/call"}));
  EXPECT_EQ(rig.post(kPing, session).status, 200);
}

TEST(ToolsCall, of_a_session_that_is_deleted_is_cancelled_and_told_so) {
  Rig rig;
  FakeServer& server = rig.serve("s", "s__", {tool("t")});
  const std::string session = rig.initialize();
  DoorStream& stream = rig.post(call("1", "s__t"), session);
  rig.send({}, {.method = ipc::Method::delete_, .session = session});
  EXPECT_EQ(server.cancelled.size(), 1U);
  EXPECT_THAT(stream.body, HasSubstr(R"("reason":"call.cancelled")"));
  EXPECT_TRUE(rig.audited({"tools/call", "\"cancelled\""}));
}

TEST(ToolsCall, of_a_server_that_a_reload_takes_away_fails_and_others_go_on) {
  Rig rig;
  FakeServer& gone = rig.serve("a", "a__", {tool("t")});
  FakeServer& stays = rig.serve("b", "b__", {tool("t")});
  const std::string session = rig.initialize();
  DoorStream& first = rig.post(call("1", "a__t"), session);
  DoorStream& second = rig.post(call("2", "b__t"), session);
  rig.shard->set_servers({{.server = &stays, .call_seconds = 0}});
  rig.run();
  EXPECT_THAT(first.body, HasSubstr("server.unavailable"));
  EXPECT_EQ(gone.cancelled.size(), 1U);
  EXPECT_FALSE(second.ended);
  stays.answer(0, "{}");
  rig.run();
  EXPECT_EQ(second.body, R"({"jsonrpc":"2.0","result":{},"id":2})");
  EXPECT_EQ(rig.post(call("3", "a__t"), session).status, 200);
  EXPECT_EQ(gone.calls(), 1U);
}

}  // namespace
}  // namespace clawql::engine::line
