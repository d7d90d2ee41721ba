#include "engine/line/exchange_sse.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/line/line_rig.hpp"

namespace clawql::engine::line {
namespace {

using base::Reason;
using testing::HasSubstr;
using testing_support::call;
using testing_support::DoorStream;
using testing_support::FakeServer;
using testing_support::Rig;
using testing_support::tool;

constexpr std::string_view kInitialize =
    R"({"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2024-11-05","capabilities":{},"clientInfo":{}}})";
constexpr std::string_view kPing = R"({"jsonrpc":"2.0","id":1,"method":"ping"})";

// A client of the old transport.
struct OldClient {
  explicit OldClient(Rig& rig_, std::uint32_t uid_ = 0, bool reads = true)
      : rig(rig_),
        uid(uid_),
        stream(rig.send({}, {.route = ipc::Route::sse, .method = ipc::Method::get, .uid = uid_, .reads = reads})) {
    constexpr std::string_view kBegin = "event: endpoint\ndata: /message?sessionId=";
    if (!stream.body.starts_with(kBegin)) return;
    id = stream.body.substr(kBegin.size(), stream.body.find("\n\n") - kBegin.size());
    stream.body.clear();
  }
  DoorStream& post(std::string_view message) {
    return rig.send(message, {.route = ipc::Route::message, .session = id, .uid = uid, .accepts_json = false});
  }
  void initialize(std::string_view version = "2024-11-05") {
    std::string message(kInitialize);
    message.replace(message.find("2024-11-05"), 10, version);
    EXPECT_EQ(post(message).status, 202);
    EXPECT_THAT(heard(), HasSubstr(R"("protocolVersion":")" + std::string(version)));
  }
  // What came on the stream since the last call.
  std::string heard() { return std::exchange(stream.body, {}); }

  Rig& rig;
  std::uint32_t uid;
  DoorStream& stream;
  std::string id;
};

void expect_accepted(const DoorStream& post) {
  EXPECT_EQ(post.status, 202) << post.body;
  EXPECT_EQ(post.type, ipc::ContentType::text);
  EXPECT_EQ(post.body, "Accepted");
  EXPECT_TRUE(post.ended);
}

void expect_refused(Rig& rig, const DoorStream& post, int status, int code, Reason reason) {
  EXPECT_EQ(post.status, status) << post.body;
  EXPECT_TRUE(post.ended);
  EXPECT_EQ(post.type, ipc::ContentType::json);
  EXPECT_THAT(post.body, HasSubstr("\"code\":" + std::to_string(code) + ",")) << post.body;
  EXPECT_GE(rig.refusals(reason), 1U);
  EXPECT_TRUE(rig.audited({"refused", base::facts(reason).label}));
}

TEST(OldSse, begins_with_a_relative_place_that_nobody_can_guess) {
  Rig rig;
  OldClient one(rig);
  EXPECT_EQ(one.stream.status, 200);
  EXPECT_EQ(one.stream.type, ipc::ContentType::event_stream);
  EXPECT_FALSE(one.stream.ended);
  EXPECT_EQ(one.id.size(), 66U);
  EXPECT_EQ(one.id.substr(0, 2), "00") << "the shard";
  EXPECT_NE(OldClient(rig).id, one.id);
  EXPECT_EQ(rig.shard->core().sessions.size(), 0U) << "the session begins with initialize";
}

TEST(OldSse, takes_messages_as_posts_and_answers_on_the_stream) {
  Rig rig;
  FakeServer& server = rig.serve("files", "files__", {tool("read")});
  OldClient client(rig);
  client.initialize();
  EXPECT_EQ(rig.shard->core().sessions.size(), 1U);
  expect_accepted(client.post(R"({"jsonrpc":"2.0","method":"notifications/initialized"})"));
  EXPECT_EQ(client.heard(), "");
  expect_accepted(client.post(kPing));
  EXPECT_EQ(client.heard(), "event: message\ndata: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}\n\n");
  DoorStream& post = client.post(call("7", "files__read"));
  expect_accepted(post);
  ASSERT_EQ(server.calls(), 1U);
  EXPECT_EQ(client.heard(), "");
  server.answer(0, R"({"content":[]})");
  rig.run();
  EXPECT_THAT(client.heard(), testing::StartsWith("event: message\ndata: {\"jsonrpc\":\"2.0\",\"result\":"));
}

TEST(OldSse, speaks_every_version_of_the_handshake_era) {
  Rig rig;
  for (const auto* version : {"2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"})
    OldClient(rig).initialize(version);
  OldClient batching(rig);
  batching.initialize("2025-03-26");
  expect_accepted(batching.post("[" + std::string(kPing) + R"(,{"jsonrpc":"2.0","id":2,"method":"ping"}])"));
  EXPECT_THAT(batching.heard(), HasSubstr("data: [{"));
}

TEST(OldSse, tells_of_changed_lists_on_the_stream) {
  Rig rig;
  FakeServer& server = rig.serve("files", "files__", {tool("read")});
  OldClient client(rig);
  client.initialize();
  server.set_tools({tool("read"), tool("write")});
  rig.shard->on_offer_changed(server);
  rig.wait(base::Milliseconds(200));
  EXPECT_THAT(client.heard(),
              HasSubstr("event: message\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/tools/list_changed\""));
}

TEST(OldSse, another_principal_a_garbage_id_and_an_ended_stream_are_one_and_the_same_404) {
  Rig rig;
  OldClient client(rig, 1000);
  client.initialize();
  OldClient thief(rig, 1001);
  const std::string own = std::exchange(thief.id, client.id);
  expect_refused(rig, thief.post(kPing), 404, -32001, Reason::session_unknown);
  EXPECT_EQ(client.heard(), "");
  for (const std::string& id : {std::string("zz"), "00" + std::string(64, 'a'), own + "0", std::string()}) {
    thief.id = id;
    const DoorStream& post = thief.post(kPing);
    expect_refused(rig, post, 404, -32001, Reason::session_unknown);
    EXPECT_EQ(post.body, base::refusal_body(Reason::session_unknown));
  }
  rig.door->cancel(client.stream.stream);
  rig.run();
  expect_refused(rig, client.post(kPing), 404, -32001, Reason::session_unknown);
  for (const std::string& line : rig.audit_lines()) EXPECT_EQ(line.find(client.id), std::string::npos);
}

TEST(OldSse, its_id_is_no_session_of_mcp_and_the_other_way_round) {
  Rig rig;
  OldClient client(rig);
  client.initialize();
  EXPECT_EQ(rig.post(kPing, client.id).status, 404);
  OldClient mixed(rig);
  mixed.id = rig.initialize();
  EXPECT_EQ(mixed.post(kPing).status, 404);
}

TEST(OldSse, what_is_no_message_is_refused_in_the_answer_of_the_post) {
  Rig rig;
  OldClient client(rig);
  client.initialize();
  expect_refused(rig, client.post("{"), 400, -32700, Reason::json_invalid);
  expect_refused(rig, client.post(R"({"x":1})"), 400, -32600, Reason::message_invalid);
  expect_refused(rig, client.post("[" + std::string(kPing) + "]"), 400, -32600, Reason::message_invalid);
  expect_refused(rig, client.post(kInitialize), 400, -32600, Reason::session_already_initialized);
  EXPECT_EQ(client.heard(), "");
}

TEST(OldSse, before_initialize_only_ping_is_answered) {
  Rig rig;
  OldClient client(rig);
  expect_accepted(client.post(kPing));
  EXPECT_THAT(client.heard(), HasSubstr(R"("id":1,"result":{})"));
  expect_accepted(client.post(R"({"jsonrpc":"2.0","id":2,"method":"tools/list"})"));
  EXPECT_THAT(client.heard(), HasSubstr(R"("id":2,"error":{"code":-32601)"));
}

TEST(OldSse, does_not_speak_2026_07_28) {
  Rig rig;
  OldClient client(rig);
  constexpr std::string_view kDiscover =
      R"({"jsonrpc":"2.0","id":3,"method":"server/discover","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}})";
  for (int i = 0; i < 2; ++i) {
    expect_accepted(client.post(kDiscover));
    EXPECT_THAT(client.heard(), HasSubstr(R"("id":3,"error":{"code":-32601)"));
    if (i == 0) client.initialize();
  }
}

TEST(OldSse, over_the_limit_in_flight_the_post_is_429_and_nothing_comes_on_the_stream) {
  base::Limits limits;
  limits.in_flight_session = 2;
  Rig rig(limits);
  FakeServer& server = rig.serve("files", "files__", {tool("read")});
  OldClient client(rig);
  client.initialize();
  expect_accepted(client.post(call("1", "files__read")));
  expect_accepted(client.post(call("2", "files__read")));
  expect_refused(rig, client.post(call("3", "files__read")), 429, -32603, Reason::too_many_requests);
  EXPECT_EQ(server.calls(), 2U);
  EXPECT_EQ(client.heard(), "");
  // What takes requests back needs no room.
  expect_accepted(client.post(R"({"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}})"));
  expect_accepted(client.post(call("4", "files__read")));
  EXPECT_EQ(server.calls(), 3U);
}

TEST(OldSse, a_client_that_does_not_read_is_503_and_then_cut_off) {
  base::Limits limits;
  limits.buffered_bytes_session = 3U << 20;
  Rig rig(limits);
  FakeServer& server = rig.serve("files", "files__", {tool("read")});
  OldClient client(rig, 0, false);
  expect_accepted(client.post(kInitialize));
  for (int i = 1; i <= 5; ++i) expect_accepted(client.post(call(std::to_string(i), "files__read")));
  const std::string large = R"({"content":[{"type":"text","text":")" + std::string(1200U << 10, 'x') + R"("}]})";
  server.answer(0, large);
  rig.run();
  const DoorStream& refused = client.post(kPing);
  expect_refused(rig, refused, 503, 503, Reason::overloaded);
  EXPECT_EQ(refused.field(ipc::ResponseField::retry_after), "1");
  server.answer(1, large);
  EXPECT_FALSE(client.stream.reset);
  server.answer(2, large);
  rig.run();
  EXPECT_EQ(client.stream.reset, Reason::overloaded);
  EXPECT_EQ(client.post(kPing).status, 404);
}

TEST(OldSse, the_session_ends_with_the_stream_and_with_what_is_in_flight) {
  Rig rig;
  FakeServer& server = rig.serve("files", "files__", {tool("read")});
  OldClient client(rig);
  client.initialize();
  expect_accepted(client.post(call("1", "files__read")));
  rig.door->cancel(client.stream.stream);
  rig.run();
  EXPECT_EQ(rig.shard->core().sessions.size(), 1U) << "a disconnection is no cancellation";
  EXPECT_TRUE(server.cancelled.empty());
  server.answer(0, R"({"content":[]})");
  rig.wait(base::Milliseconds(6'000));
  EXPECT_EQ(rig.shard->core().sessions.size(), 0U);
  EXPECT_TRUE(rig.audited({"session.closed"}));
}

TEST(OldSse, has_signs_of_life_and_a_stream_without_session_ends_in_its_time) {
  base::Limits limits;
  limits.session_idle_seconds = 60;
  Rig rig(limits);
  OldClient idle(rig);
  OldClient used(rig);
  used.initialize();
  for (int i = 0; i < 4; ++i) rig.wait(base::Milliseconds(7'000));
  for (int i = 0; i < 30; ++i) rig.wait(base::Milliseconds(5'000));
  EXPECT_THAT(used.heard(), HasSubstr(":\n\n"));
  EXPECT_FALSE(used.stream.ended);
  EXPECT_TRUE(idle.stream.ended);
  EXPECT_EQ(idle.post(kPing).status, 404);
  EXPECT_EQ(used.post(kPing).status, 202);
}

TEST(OldSse, a_drain_ends_the_stream_after_the_last_answer) {
  Rig rig;
  FakeServer& server = rig.serve("files", "files__", {tool("read")});
  OldClient idle(rig);
  OldClient busy(rig);
  busy.initialize();
  expect_accepted(busy.post(call("1", "files__read")));
  rig.shard->drain();
  rig.run();
  EXPECT_TRUE(idle.stream.ended);
  EXPECT_FALSE(busy.stream.ended);
  EXPECT_EQ(busy.post(kPing).status, 503);
  server.answer(0, R"({"content":[]})");
  rig.run();
  EXPECT_TRUE(busy.stream.ended);
  EXPECT_THAT(busy.heard(), HasSubstr("\"result\":{\"content\":[]}"));
  EXPECT_EQ(rig.send({}, {.route = ipc::Route::sse, .method = ipc::Method::get}).status, 503);
  rig.wait(base::Milliseconds(1'000));
  EXPECT_EQ(rig.drained_count, 1);
}

TEST(OldSse, a_stream_that_takes_no_events_is_406) {
  Rig rig;
  expect_refused(rig, rig.send({}, {.route = ipc::Route::sse, .method = ipc::Method::get, .accepts_events = false}),
                 406, 406, Reason::not_acceptable);
}

// ---- a client of 2026-07-28 that closes its stream

constexpr std::string_view kMeta =
    R"("_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}})";

TEST(HalfClose, takes_back_a_call_of_2026_07_28_and_none_before) {
  for (const bool modern : {true, false}) {
    Rig rig;
    FakeServer& server = rig.serve("files", "files__", {tool("read")});
    std::string message = call("1", "files__read");
    Rig::Ask ask;
    if (modern) {
      message.replace(message.find("\"arguments\""), 0, std::string(kMeta) + ",");
      ask.version = "2026-07-28";
      ask.mcp_method = "tools/call";
      ask.mcp_name = "files__read";
    } else {
      ask.session = rig.initialize();
    }
    const DoorStream& stream = rig.send(message, ask);
    ASSERT_EQ(server.calls(), 1U) << stream.body;
    rig.door->half_closed(stream.stream);
    rig.run();
    EXPECT_EQ(server.cancelled.size(), modern ? 1U : 0U);
    EXPECT_EQ(stream.ended, modern);
    if (modern) continue;
    server.answer(0, R"({"content":[]})");
    rig.run();
    EXPECT_TRUE(stream.ended);
    EXPECT_THAT(stream.body, HasSubstr("\"content\":[]"));
  }
}

TEST(HalfClose, ends_a_subscription_which_was_no_request_in_flight_for_the_door) {
  Rig rig;
  const DoorStream& stream = rig.send(
      R"({"jsonrpc":"2.0","id":1,"method":"subscriptions/listen","params":{"notifications":{"toolsListChanged":true},)" +
          std::string(kMeta) + "}}",
      {.version = "2026-07-28", .mcp_method = "subscriptions/listen"});
  EXPECT_THAT(stream.body, HasSubstr("acknowledged"));
  EXPECT_TRUE(stream.listens);
  EXPECT_EQ(rig.common.listens.load(), 1U);
  rig.door->half_closed(stream.stream);
  rig.run();
  EXPECT_TRUE(stream.ended);
  EXPECT_EQ(rig.common.listens.load(), 0U);
}

}  // namespace
}  // namespace clawql::engine::line
