#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/line/line_rig.hpp"
#include "engine/mcp/replies.hpp"

namespace clawql::engine::line {
namespace {

using base::Reason;
using testing::HasSubstr;
using testing_support::call;
using testing_support::DoorStream;
using testing_support::FakeServer;
using testing_support::Rig;
using testing_support::tool;

constexpr std::string_view kPing = R"({"jsonrpc":"2.0","id":1,"method":"ping"})";
constexpr std::string_view kList = R"({"jsonrpc":"2.0","id":1,"method":"tools/list"})";

// Everything that a refusal must leave: status, code, body, metric, audit.
void expect_refused(Rig& rig, const DoorStream& stream, int status, int code, Reason reason) {
  EXPECT_EQ(stream.status, status) << stream.body;
  EXPECT_TRUE(stream.ended);
  EXPECT_EQ(stream.type, ipc::ContentType::json);
  EXPECT_EQ(stream.length, stream.body.size());
  EXPECT_THAT(stream.body, HasSubstr("\"code\":" + std::to_string(code) + ",")) << stream.body;
  EXPECT_GE(rig.refusals(reason), 1U);
  EXPECT_TRUE(rig.audited({"refused", base::facts(reason).label}));
}

// ---- sessions (mcp.md 5.1)

TEST(Initialize, opens_a_session_and_says_who_we_are) {
  Rig rig;
  DoorStream& stream = rig.post(
      R"({"jsonrpc":"2.0","id":"a","method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"c","version":"1"}}})");
  EXPECT_EQ(stream.status, 200);
  EXPECT_EQ(
      stream.body,
      R"({"jsonrpc":"2.0","id":"a","result":{"protocolVersion":"2025-06-18","capabilities":{"completions":{},"logging":{},"prompts":{"listChanged":true},)"
      R"("resources":{"listChanged":true,"subscribe":true},"tools":{"listChanged":true}},)"
      R"("serverInfo":{"name":"clawql","title":"ClawQL Gateway","version":")" CLAWQL_VERSION R"("}}})");
  const std::string id = stream.field(ipc::ResponseField::session_id);
  EXPECT_EQ(id.size(), 66U);
  EXPECT_EQ(id.substr(0, 2), "00");
  EXPECT_TRUE(rig.audited({"session.opened", "loopback"}));
  for (const std::string& line : rig.audit_lines()) EXPECT_EQ(line.find(id), std::string::npos);
}

TEST(Initialize, echoes_known_versions_and_answers_the_newest_to_others) {
  Rig rig;
  for (const char* version : {"2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"}) {
    rig.initialize(version);
    EXPECT_THAT(rig.streams.back().body, HasSubstr(R"("protocolVersion":")" + std::string(version)));
  }
  rig.initialize("1999-01-01");
  EXPECT_THAT(rig.streams.back().body, HasSubstr(R"("protocolVersion":"2025-11-25")"));
}

TEST(Initialize, without_a_version_is_refused_with_its_id) {
  Rig rig;
  DoorStream& stream = rig.post(R"({"jsonrpc":"2.0","id":5,"method":"initialize","params":{}})");
  expect_refused(rig, stream, 200, -32602, Reason::params_invalid);
  EXPECT_THAT(stream.body, HasSubstr(R"("id":5)"));
  EXPECT_EQ(stream.field(ipc::ResponseField::session_id), "");
}

TEST(Initialize, twice_in_a_session_is_refused) {
  Rig rig;
  const std::string session = rig.initialize();
  DoorStream& stream =
      rig.post(R"({"jsonrpc":"2.0","id":5,"method":"initialize","params":{"protocolVersion":"2025-11-25"}})", session);
  expect_refused(rig, stream, 400, -32600, Reason::session_already_initialized);
}

TEST(Initialize, leaves_a_quarter_of_the_sessions_to_other_principals) {
  base::Limits limits;
  limits.sessions = 4;
  Rig rig(limits);
  for (int i = 0; i < 3; ++i) EXPECT_NE(rig.initialize("2025-11-25", 1), "");
  EXPECT_EQ(rig.initialize("2025-11-25", 1), "");
  expect_refused(rig, rig.streams.back(), 503, -32000, Reason::session_limit);
  EXPECT_NE(rig.initialize("2025-11-25", 2), "");
}

TEST(Initialize, is_refused_when_there_are_too_many_sessions) {
  base::Limits limits;
  limits.sessions = 1;
  Rig rig(limits);
  rig.initialize();
  rig.initialize();
  expect_refused(rig, rig.streams.back(), 503, -32000, Reason::session_limit);
}

TEST(Session, missing_is_400) {
  Rig rig;
  expect_refused(rig, rig.post(kPing), 400, -32000, Reason::session_missing);
  expect_refused(rig, rig.get({}), 400, -32000, Reason::session_missing);
}

TEST(Session, unknown_or_garbage_is_404) {
  Rig rig;
  for (const std::string& id : {std::string(66, '0'), std::string("x"), std::string(66, 'G')}) {
    expect_refused(rig, rig.post(kPing, id), 404, -32001, Reason::session_unknown);
    expect_refused(rig, rig.get(id), 404, -32001, Reason::session_unknown);
  }
}

TEST(Session, of_another_principal_is_404) {
  Rig rig;
  const std::string session = rig.initialize();
  expect_refused(rig, rig.send(kPing, {.session = session, .uid = 1000}), 404, -32001, Reason::session_unknown);
  EXPECT_EQ(rig.post(kPing, session).status, 200);
}

TEST(Session, ends_by_delete_and_is_404_afterwards) {
  Rig rig;
  const std::string session = rig.initialize();
  EXPECT_EQ(rig.send({}, {.method = ipc::Method::delete_, .session = session}).status, 200);
  expect_refused(rig, rig.post(kPing, session), 404, -32001, Reason::session_unknown);
  EXPECT_TRUE(rig.audited({"session.deleted"}));
  expect_refused(rig, rig.send({}, {.method = ipc::Method::delete_, .session = session}), 404, -32001,
                 Reason::session_unknown);
  expect_refused(rig, rig.send({}, {.method = ipc::Method::delete_}), 400, -32000, Reason::session_missing);
}

TEST(Session, ends_when_it_was_idle_too_long_and_not_while_it_has_a_stream) {
  Rig rig;
  const std::string idle = rig.initialize();
  const std::string streaming = rig.initialize();
  rig.get(streaming);
  for (int minute = 0; minute < 40; ++minute) rig.wait(std::chrono::minutes(1));
  EXPECT_EQ(rig.post(kPing, idle).status, 404);
  EXPECT_EQ(rig.post(kPing, streaming).status, 200);
  EXPECT_TRUE(rig.audited({"session.idle"}));
}

TEST(VersionHeader, unknown_is_400_and_lists_what_is_spoken) {
  Rig rig;
  const std::string session = rig.initialize();
  DoorStream& stream = rig.send(kPing, {.session = session, .version = "1999-01-01"});
  expect_refused(rig, stream, 400, -32000, Reason::version_header);
  EXPECT_THAT(stream.body, HasSubstr("2025-11-25, 2025-06-18, 2025-03-26, 2024-11-05"));
  EXPECT_EQ(rig.send(kPing, {.session = session, .version = "2025-06-18"}).status, 200);
  EXPECT_EQ(rig.post(kPing, session).status, 200) << "an absent header means the negotiated version";
}

TEST(Accept, that_excludes_our_answers_is_406) {
  Rig rig;
  const std::string session = rig.initialize();
  expect_refused(rig, rig.send(kPing, {.session = session, .accepts_json = false}), 406, 406, Reason::not_acceptable);
  expect_refused(rig, rig.send(kPing, {.session = session, .accepts_events = false}), 406, 406, Reason::not_acceptable);
  expect_refused(rig, rig.send({}, {.method = ipc::Method::get, .session = session, .accepts_events = false}), 406, 406,
                 Reason::not_acceptable);
}

// ---- messages

TEST(Message, that_is_not_json_is_400) {
  Rig rig;
  const std::string session = rig.initialize();
  for (const char* text : {"{", "{\"a\":1,\"a\":2}", "{} x", "\xff"})
    expect_refused(rig, rig.post(text, session), 400, -32700, Reason::json_invalid);
}

TEST(Message, that_is_not_json_rpc_is_400) {
  Rig rig;
  const std::string session = rig.initialize();
  for (const char* text :
       {"1", "{}", R"({"jsonrpc":"1.0","id":1,"method":"ping"})", R"({"jsonrpc":"2.0","id":null,"method":"ping"})",
        R"({"jsonrpc":"2.0","id":1.5,"method":"ping"})", R"({"jsonrpc":"2.0","id":true,"method":"ping"})",
        R"({"jsonrpc":"2.0","id":1,"method":7})", R"({"jsonrpc":"2.0","id":1,"method":"ping","result":{}})",
        R"({"jsonrpc":"2.0","id":1})", R"({"jsonrpc":"2.0","id":1,"result":{},"error":{}})"})
    expect_refused(rig, rig.post(text, session), 400, -32600, Reason::message_invalid);
  const std::string long_id = R"({"jsonrpc":"2.0","id":")" + std::string(255, 'x') + R"(","method":"ping"})";
  expect_refused(rig, rig.post(long_id, session), 400, -32600, Reason::message_invalid);
}

TEST(Message, with_an_unknown_method_is_answered_with_its_id) {
  Rig rig;
  const std::string session = rig.initialize();
  DoorStream& stream = rig.post(R"({"jsonrpc":"2.0","id":"q","method":"no/such"})", session);
  expect_refused(rig, stream, 200, -32601, Reason::method_unknown);
  EXPECT_THAT(stream.body, HasSubstr(R"("id":"q")"));
}

TEST(Message, notifications_and_responses_get_202_and_nothing_else) {
  Rig rig;
  const std::string session = rig.initialize();
  for (const char* text :
       {R"({"jsonrpc":"2.0","method":"notifications/initialized"})", R"({"jsonrpc":"2.0","method":"anything"})",
        R"({"jsonrpc":"2.0","id":9,"result":{}})", R"({"jsonrpc":"2.0","error":{"code":-1,"message":"x"}})"}) {
    DoorStream& stream = rig.post(text, session);
    EXPECT_EQ(stream.status, 202) << text;
    EXPECT_EQ(stream.body, "");
    EXPECT_TRUE(stream.ended);
  }
}

TEST(Ping, is_answered_with_the_id_as_it_was_written) {
  Rig rig;
  const std::string session = rig.initialize();
  for (const char* id : {"1", "\"1\"", "123456789012345678901234567890", "\"\\u0041\\/\"", "-0", "\"\""})
    EXPECT_EQ(rig.post(R"({"jsonrpc":"2.0","id":)" + std::string(id) + R"(,"method":"ping"})", session).body,
              R"({"jsonrpc":"2.0","id":)" + std::string(id) + R"(,"result":{}})");
}

TEST(Body, over_the_limit_is_refused_before_it_is_whole) {
  base::Limits limits;
  limits.request_body = 1000;
  Rig rig(limits);
  DoorStream& stream = rig.open(std::string(900, ' '), {}, true);
  rig.run();
  EXPECT_GT(stream.body_credit, 0U);
  rig.more(stream, std::string(200, ' '));
  EXPECT_EQ(stream.reset, Reason::body_too_large);
  EXPECT_EQ(rig.refusals(Reason::body_too_large), 1U);
  EXPECT_TRUE(rig.audited({"refused", "limit.body"}));
}

TEST(Body, in_pieces_is_one_message) {
  Rig rig;
  const std::string session = rig.initialize();
  DoorStream& stream = rig.open(kPing.substr(0, 5), {.session = session}, true);
  rig.run();
  for (const char c : kPing.substr(5)) rig.more(stream, std::string_view(&c, 1));
  rig.door->end(stream.stream);
  rig.run();
  EXPECT_EQ(stream.body, R"({"jsonrpc":"2.0","id":1,"result":{}})");
}

// ---- tools

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

// ---- cancellation, progress, logs

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

// ---- lists

TEST(ToolsList, shows_every_server_in_order_with_only_the_name_changed) {
  Rig rig;
  rig.serve("b", "b__", {R"({ "inputSchema":{"$defs":{"x":1e2}}, "name":"o\u006ee" , "z":[ 1 ]})"});
  rig.serve("a", "", {tool("two")});
  const std::string session = rig.initialize();
  EXPECT_EQ(
      rig.post(kList, session).body,
      R"({"jsonrpc":"2.0","id":1,"result":{"tools":[{ "inputSchema":{"$defs":{"x":1e2}}, "name":"b__o\u006ee" , "z":[ 1 ]},{"name":"two","inputSchema":{"type":"object"}}]}})");
  FakeServer& server = rig.servers[0];
  rig.post(call("2", "b__one"), session);
  ASSERT_EQ(server.calls(), 1U);
  EXPECT_THAT(server.seen(0).text, HasSubstr(R"("name":"o\u006ee")"));
}

TEST(ToolsList, hides_the_later_of_two_and_says_so) {
  Rig rig;
  FakeServer& first = rig.serve("one", "", {tool("same")});
  FakeServer& second = rig.serve("two", "", {tool("same"), tool("own")});
  const std::string session = rig.initialize();
  rig.post(call("1", "same"), session);
  rig.post(call("2", "own"), session);
  EXPECT_EQ(first.calls(), 1U);
  EXPECT_EQ(second.calls(), 1U);
  DoorStream& status =
      rig.send({}, {.route = ipc::Route::admin, .method = ipc::Method::get, .target = "/admin/status", .uid = 1});
  ASSERT_EQ(rig.admin_requests.size(), 1U);
  EXPECT_EQ(rig.admin_requests[0].operation, "status");
  rig.shard->admin_answer({.token = rig.admin_requests[0].token, .ok = true, .text = R"({"up":1})"});
  rig.run();
  EXPECT_THAT(status.body, HasSubstr(R"({"supervisor":{"up":1},"engine":{"sessions":1,"principals":1,)"));
  EXPECT_THAT(status.body, HasSubstr(R"("hidden":[{"list":"tools","item":"same","owner":"two","hidden_by":"one"}])"));
}

TEST(ToolsList, comes_in_pages_whose_cursors_nobody_can_make_up) {
  Rig rig;
  std::vector<std::string> tools;
  tools.reserve(1500);
  for (int i = 0; i < 1500; ++i) tools.push_back(tool("t" + std::to_string(i)));
  FakeServer& server = rig.serve("s", "s__", tools);
  const std::string session = rig.initialize();
  const auto page = [&](std::string_view cursor) -> DoorStream& {
    return rig.post(
        R"({"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"cursor":")" + std::string(cursor) + "\"}}",
        session);
  };
  const std::string first = rig.post(kList, session).body;
  EXPECT_THAT(first, HasSubstr("s__t999\""));
  EXPECT_EQ(first.find("s__t1000\""), std::string::npos);
  const auto document = json::Document::parse(first, {});
  const std::string cursor = *document->root().find("result").find("nextCursor").string();
  const std::string second = page(cursor).body;
  EXPECT_THAT(second, HasSubstr("[{\"name\":\"s__t1000\""));
  EXPECT_THAT(second, HasSubstr("s__t1499\""));
  EXPECT_EQ(second.find("nextCursor"), std::string::npos);

  std::string forged = cursor;
  forged[0] = forged[0] == '1' ? '2' : '1';
  for (const std::string& bad : {std::string("x"), std::string(), forged, cursor + "0"})
    expect_refused(rig, page(bad), 200, -32602, Reason::params_invalid);
  server.set_tools({tool("new")});
  rig.shard->on_offer_changed(server);
  expect_refused(rig, page(cursor), 200, -32602, Reason::params_invalid);
}

TEST(ToolsList, waits_for_servers_that_start_and_no_longer) {
  Rig rig;
  FakeServer& server = rig.serve("s", "s__", {});
  server.current = upstream::State::starting;
  server.starting = true;
  const std::string session = rig.initialize();
  DoorStream& list = rig.post(kList, session);
  DoorStream& early = rig.post(call("2", "s__t"), session);
  EXPECT_FALSE(list.ended);
  EXPECT_FALSE(early.ended);
  EXPECT_EQ(server.wakes, 2);
  server.set_tools({tool("t")});
  server.starting = false;
  server.current = upstream::State::ready;
  rig.shard->on_offer_changed(server);
  rig.shard->on_settled(server);
  rig.run();
  EXPECT_THAT(list.body, HasSubstr("s__t"));
  ASSERT_EQ(server.calls(), 1U);
  server.answer(0, "{}");
  rig.run();
  EXPECT_EQ(early.body, R"({"jsonrpc":"2.0","result":{},"id":2})");

  server.starting = true;  // stuck: it never says that it settled
  DoorStream& late = rig.post(kList, session);
  EXPECT_FALSE(late.ended);
  server.starting = false;
  rig.wait(std::chrono::seconds(1));
  EXPECT_TRUE(late.ended);
}

TEST(ListChanged, goes_once_to_one_stream_of_each_session) {
  Rig rig;
  FakeServer& server = rig.serve("s", "s__", {tool("t")});
  const std::string one = rig.initialize();
  const std::string two = rig.initialize();
  const std::string absent = rig.initialize();
  rig.wait(std::chrono::seconds(1));
  DoorStream& older = rig.get(one);
  DoorStream& newer = rig.get(one);
  DoorStream& other = rig.get(two);
  older.body = newer.body = other.body = {};  // what came of the first list, if it was announced
  server.set_tools({tool("t"), tool("u")});
  rig.shard->on_offer_changed(server);
  rig.shard->on_offer_changed(server);
  rig.wait(std::chrono::seconds(1));
  const std::string changed = R"({"jsonrpc":"2.0","method":"notifications/tools/list_changed"})";
  EXPECT_EQ(older.body, "");
  EXPECT_EQ(newer.body, "event: message\nid: 2-1\ndata: " + changed + "\n\n");
  EXPECT_THAT(other.body, HasSubstr(changed));
  EXPECT_THAT(rig.get(absent).body, HasSubstr(changed)) << "who was away hears of it when it comes back";
  EXPECT_EQ(rig.get(absent).body, "retry: 1000\n\nid: 5-0\ndata: \n\n");
}

TEST(Streams, are_limited_a_session_and_stay_alive) {
  Rig rig;
  const std::string session = rig.initialize();
  for (int i = 0; i < 8; ++i) EXPECT_EQ(rig.get(session).status, 200);
  expect_refused(rig, rig.get(session), 429, 429, Reason::too_many_requests);
  for (int i = 0; i < 6; ++i) rig.wait(std::chrono::seconds(5));
  EXPECT_THAT(rig.streams[1].body, HasSubstr(":\n\n"));
  rig.door->cancel(rig.streams[1].stream);
  rig.run();
  EXPECT_EQ(rig.get(session).status, 200);
}

// ---- batches

TEST(Batch, belongs_to_2025_03_26_alone_and_is_answered_as_one_array) {
  Rig rig;
  FakeServer& server = rig.serve("s", "s__", {tool("t")});
  const std::string session = rig.initialize("2025-03-26");
  const std::string batch = "[" + std::string(kPing) + R"(,{"jsonrpc":"2.0","method":"notifications/initialized"},)" +
                            call("2", "s__t") + R"(,{"jsonrpc":"2.0","id":3,"method":"no"}])";
  DoorStream& stream = rig.post(batch, session);
  EXPECT_FALSE(stream.ended);
  server.answer(0, "{}");
  rig.run();
  EXPECT_TRUE(stream.ended);
  EXPECT_EQ(stream.body,
            "["
            R"({"jsonrpc":"2.0","id":1,"result":{}},)" +
                mcp::error_response("3", Reason::method_unknown) + R"(,{"jsonrpc":"2.0","result":{},"id":2}])");
  for (const char* version : {"2024-11-05", "2025-06-18", "2025-11-25"})
    expect_refused(rig, rig.post(batch, rig.initialize(version)), 400, -32600, Reason::message_invalid);
}

TEST(Batch, of_notifications_alone_gets_202) {
  Rig rig;
  const std::string session = rig.initialize("2025-03-26");
  DoorStream& stream = rig.post(R"([{"jsonrpc":"2.0","method":"notifications/initialized"}])", session);
  EXPECT_EQ(stream.status, 202);
}

TEST(Batch, that_is_empty_or_holds_a_bad_element_is_refused_whole) {
  Rig rig;
  FakeServer& server = rig.serve("s", "s__", {tool("t")});
  const std::string session = rig.initialize("2025-03-26");
  for (const std::string& batch :
       {std::string("[]"), "[" + call("1", "s__t") + ",1]", "[[" + std::string(kPing) + "]]",
        std::string(R"([{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-03-26"}}])")})
    expect_refused(rig, rig.post(batch, session), 400, -32600, Reason::message_invalid);
  expect_refused(rig, rig.post("[" + call("1", "s__t") + "," + call("1", "s__t") + "]", session), 400, -32600,
                 Reason::request_id_in_use);
  EXPECT_EQ(server.calls(), 0U);
}

// Comparing all ids of a body with each other would hold up the shard for a minute.
TEST(Batch, with_more_requests_than_may_be_in_flight_is_refused_before_the_rest_is_looked_at) {
  Rig rig;
  const std::string session = rig.initialize("2025-03-26");
  std::string batch = "[";
  for (std::uint64_t id = 0; id <= base::Limits{}.in_flight_session; ++id)
    batch += R"({"jsonrpc":"2.0","method":"ping","id":)" + std::to_string(id) + "},";
  batch += std::string(kPing) + ",1]";  // an id that is in use, and an element that is no message
  expect_refused(rig, rig.post(batch, session), 429, 429, Reason::too_many_requests);
}

// ---- newline JSON

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

// ---- clients that do not read, doors that die, the end

TEST(Buffers, over_their_limit_fail_the_call_alone) {
  base::Limits limits;
  limits.buffered_bytes_session = 300'000;
  Rig rig(limits);
  FakeServer& server = rig.serve("s", "s__", {tool("t")});
  const std::string session = rig.initialize();
  const std::string other = rig.initialize();
  DoorStream& first = rig.send(call("1", "s__t"), {.session = session, .reads = false});
  DoorStream& second = rig.send(call("2", "s__t"), {.session = session, .reads = false});
  DoorStream& third = rig.post(call("1", "s__t"), other);
  const std::string big = "\"" + std::string(200'000, 'x') + "\"";
  for (std::size_t i = 0; i < 3; ++i) server.answer(i, big);
  rig.run();
  EXPECT_EQ(second.reset, Reason::overloaded);
  EXPECT_EQ(rig.shard->core().metrics.calls_over_buffer.value(), 1U);
  EXPECT_TRUE(third.ended);
  EXPECT_FALSE(first.ended);
  EXPECT_GT(rig.shard->core().buffers.total(), 0U);
  for (int i = 0; i < 10 && !first.ended; ++i) {
    first.reads = true;
    rig.door->credit(first.stream, static_cast<std::uint32_t>(i == 0 ? first.body.size() : 0));
    rig.run();
  }
  EXPECT_TRUE(first.ended);
  EXPECT_EQ(rig.shard->core().buffers.total(), 0U);
}

TEST(Door, that_dies_loses_no_session) {
  Rig rig;
  FakeServer& server = rig.serve("s", "s__", {tool("t")});
  const std::string session = rig.initialize();
  rig.post(call("1", "s__t"), session);
  rig.get(session);
  rig.door.reset();
  rig.run();
  rig.connect();
  server.answer(0, "{}");
  EXPECT_EQ(rig.post(kPing, session).status, 200);
  EXPECT_EQ(rig.get(session).status, 200);
}

TEST(Drain, lets_calls_finish_refuses_new_ones_and_then_reports) {
  Rig rig;
  FakeServer& server = rig.serve("s", "s__", {tool("t")});
  const std::string session = rig.initialize();
  DoorStream& stream = rig.get(session);
  DoorStream& running = rig.post(call("1", "s__t"), session);
  rig.shard->drain();
  rig.run();
  EXPECT_TRUE(stream.ended);
  EXPECT_EQ(rig.post(kPing, session).status, 503);
  EXPECT_EQ(rig.refusals(Reason::draining), 1U);
  EXPECT_EQ(rig.drained_count, 0);
  server.answer(0, "{}");
  rig.wait(std::chrono::seconds(1));
  EXPECT_TRUE(running.ended);
  EXPECT_EQ(rig.drained_count, 1);
}

TEST(Drain, cuts_off_what_takes_longer_than_its_time) {
  Rig rig;
  rig.serve("s", "s__", {tool("t")});
  const std::string session = rig.initialize();
  DoorStream& running = rig.post(call("1", "s__t"), session);
  rig.shard->drain();
  for (int i = 0; i < 11; ++i) rig.wait(std::chrono::seconds(1));
  EXPECT_EQ(running.reset, Reason::draining);
  EXPECT_EQ(rig.drained_count, 1);
}

// ---- the operator

TEST(Operator, readyz_says_when_every_server_has_settled) {
  Rig rig;
  FakeServer& server = rig.serve("s", "s__", {});
  server.starting = true;
  const Rig::Ask ready{.route = ipc::Route::readyz, .method = ipc::Method::get};
  EXPECT_EQ(rig.send({}, ready).status, 503);
  server.starting = false;
  EXPECT_EQ(rig.send({}, ready).body, R"({"status":"ok"})");
}

TEST(Operator, metrics_count_requests_refusals_and_the_doors_own) {
  Rig rig;
  rig.post(kPing, rig.initialize());
  rig.post(kPing);
  rig.door->refusals({{.reason = static_cast<std::uint8_t>(Reason::host_not_allowed),
                       .count = 3,
                       .last_peer = "127.0.0.1:1",
                       .last_value = "evil.example"}});
  rig.run();
  DoorStream& stream = rig.send({}, {.route = ipc::Route::metrics, .method = ipc::Method::get});
  EXPECT_EQ(stream.type, ipc::ContentType::metrics);
  EXPECT_THAT(stream.body, HasSubstr("clawql_refusals_total{reason=\"guard.host\"} 3\n"));
  EXPECT_THAT(stream.body, HasSubstr("clawql_refusals_total{reason=\"session.missing\"} 1\n"));
  EXPECT_THAT(stream.body, HasSubstr("clawql_mcp_messages_total{method=\"ping\"} 2\n"));
  EXPECT_THAT(stream.body, HasSubstr("clawql_sessions 1\n"));
  EXPECT_THAT(stream.body, HasSubstr("clawql_build_info{version="));
  EXPECT_TRUE(rig.audited({"guard.host", "evil.example", "127.0.0.1:1", "\"count\":3"}));
}

TEST(Operator, admin_is_refused_on_every_listener_but_its_own) {
  Rig rig;
  for (const std::uint16_t listener :
       {std::uint16_t{0}, std::uint16_t{7}}) {  // one for clients, and one that nobody declared
    DoorStream& stream = rig.send({}, {.route = ipc::Route::admin,
                                       .method = ipc::Method::get,
                                       .target = "/admin/status",
                                       .uid = 1,
                                       .listener = listener});
    EXPECT_EQ(stream.status, 404);
  }
  EXPECT_TRUE(rig.admin_requests.empty());
}

TEST(Operator, admin_takes_four_operations_and_nothing_else) {
  Rig rig;
  const auto admin = [&](ipc::Method method, std::string target) -> DoorStream& {
    return rig.send({}, {.route = ipc::Route::admin, .method = method, .target = std::move(target), .uid = 1});
  };
  for (const char* target : {"/admin", "/admin/status/", "/admin/servers//start", "/admin/servers/a b/start",
                             "/admin/servers/../start", "/admin/servers/x/stop", "/admin/servers/x"})
    EXPECT_EQ(admin(ipc::Method::post, target).status, 404) << target;
  EXPECT_EQ(admin(ipc::Method::get, "/admin/reload").status, 404);
  EXPECT_TRUE(rig.admin_requests.empty());
  DoorStream& restart = admin(ipc::Method::post, "/admin/servers/files/restart");
  ASSERT_EQ(rig.admin_requests.size(), 1U);
  EXPECT_EQ(rig.admin_requests[0].operation, "restart");
  EXPECT_EQ(rig.admin_requests[0].argument, "files");
  rig.shard->admin_answer({.token = rig.admin_requests[0].token, .ok = false, .text = R"({"error":"no"})"});
  rig.run();
  EXPECT_EQ(restart.status, 409);
  EXPECT_EQ(restart.body, R"({"error":"no"})");
  DoorStream& silent = admin(ipc::Method::post, "/admin/reload");
  rig.wait(std::chrono::seconds(20));
  EXPECT_EQ(silent.status, 500);
  EXPECT_TRUE(rig.audited({"admin.reload"}));
}

TEST(Refusals, in_a_flood_are_sampled_with_their_count) {
  Rig rig;
  for (int i = 0; i < 100; ++i) rig.post(kPing);
  rig.wait(std::chrono::seconds(2));
  std::size_t lines = 0;
  for (const std::string& line : rig.audit_lines()) lines += line.find("session.missing") != std::string::npos ? 1 : 0;
  EXPECT_EQ(lines, 2U);
  EXPECT_TRUE(rig.audited({"session.missing", "\"count\":99"}));
  EXPECT_EQ(rig.refusals(Reason::session_missing), 100U);
}

}  // namespace
}  // namespace clawql::engine::line
