// Sessions with servers of their own, and what those ask the client.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/line/line_rig.hpp"

namespace clawql::engine::line {
namespace {

using base::Reason;
using mcp::Isolation;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;
using testing_support::call;
using testing_support::DoorStream;
using testing_support::FakeServer;
using testing_support::Rig;
using testing_support::tool;

constexpr std::string_view kList = R"({"jsonrpc":"2.0","id":1,"method":"tools/list"})";
const std::string kAll = R"({"sampling":{},"elicitation":{"form":{},"url":{}},"roots":{"listChanged":true}})";
const std::string kSampling =
    R"({"jsonrpc":"2.0","id":"s-1","method":"sampling/createMessage","params":{"messages":[],"maxTokens":1e2}})";

std::string modern(std::string_view id, std::string_view method, std::string_view members = "") {
  return R"({"jsonrpc":"2.0","id":)" + std::string(id) + R"(,"method":")" + std::string(method) + R"(","params":{)" +
         std::string(members) +
         R"("_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}})";
}

class AsksTest : public testing::Test {
 protected:
  AsksTest() {
    rig.serve("files", "files__", {tool("read")});
    rig.serve("box", "box__", {tool("shared")});
    rig.isolate({Isolation::shared, Isolation::session});
  }
  // A session whose client declared that, and the server that is its own.
  void open(const std::string& capabilities = kAll) {
    session = rig.initialize("2025-11-25", 0, capabilities);
    server = rig.own.back();
    server->set_tools({tool("ask")});
    server->observer->on_offer_changed(*server);
    rig.wait(base::Milliseconds(200));
  }
  DoorStream& begin_call(std::string_view id = "7") { return rig.post(call(id, "box__ask"), session); }
  // Over newline JSON, where no header repeats the body.
  std::string ask_modern(std::string_view method, std::uint32_t uid) {
    DoorStream& stream = rig.open(modern("1", method) + "\n", {.route = ipc::Route::lines, .uid = uid}, true);
    rig.run();
    return stream.body;
  }
  DoorStream& reply(const std::string& message) { return rig.post(message, session); }

  Rig rig;
  std::string session;
  FakeServer* server = nullptr;
};

TEST_F(AsksTest, each_session_gets_an_instance_that_learns_what_may_be_asked_of_its_client_and_nothing_else) {
  open("{\"sampling\":{\"tools\":{}},\n\"roots\":{},\"experimental\":{\"secret\":1},\"elicitation\":true}");
  const FakeServer* const first = server;
  EXPECT_EQ(first->order.entry, "box");
  EXPECT_EQ(first->order.kind, upstream::Role::Kind::session);
  EXPECT_EQ(first->order.client_capabilities, R"({"sampling":{"tools":{}},"roots":{}})");
  EXPECT_THAT(first->order.owner, testing::StartsWith("session "));
  open("{}");
  EXPECT_NE(server, first);
  EXPECT_EQ(server->order.client_capabilities, "{}");
  EXPECT_THAT(rig.own, SizeIs(2));
}

TEST_F(AsksTest, a_session_lists_its_own_instance_in_the_place_of_the_entry) {
  open();
  EXPECT_THAT(rig.post(kList, session).body,
              AllOf(HasSubstr("files__read"), HasSubstr("box__ask"), Not(HasSubstr("shared"))));
  EXPECT_THAT(ask_modern("tools/list", 1000), AllOf(HasSubstr("box__shared"), Not(HasSubstr("box__ask"))));
}

TEST_F(AsksTest, sampling_goes_to_the_client_on_the_stream_of_the_call_and_its_answer_back) {
  open();
  DoorStream& stream = begin_call();
  server->ask(kSampling);
  rig.run();
  EXPECT_EQ(stream.type, ipc::ContentType::event_stream);
  EXPECT_THAT(
      stream.body,
      HasSubstr(
          R"({"jsonrpc":"2.0","id":1,"method":"sampling/createMessage","params":{"messages":[],"maxTokens":1e2}})"));
  EXPECT_EQ(reply(R"({"jsonrpc":"2.0","id":1,"result":{"role":"assistant","n":1.0}})").status, 202);
  EXPECT_THAT(server->sent, ElementsAre(R"({"jsonrpc":"2.0","id":"s-1","result":{"role":"assistant","n":1.0}})"));
  EXPECT_TRUE(rig.audited({"\"agent\"", "sampling/createMessage", "\"intent\"", "\"box\""}));
  EXPECT_TRUE(rig.audited({"\"agent\"", "sampling/createMessage", "\"success\"", "\"box\""}));
  server->answer(0, "{}");
  rig.run();
  EXPECT_TRUE(stream.ended);
  EXPECT_THAT(stream.body, Not(HasSubstr("cancelled")));
}

TEST_F(AsksTest, an_answer_counts_once_and_only_for_what_was_asked_in_its_session) {
  open();
  begin_call();
  server->ask(kSampling);
  const std::string other = rig.initialize("2025-11-25", 0, kAll);
  rig.post(R"({"jsonrpc":"2.0","id":1,"result":{}})", other);
  for (const char* id : {"\"1\"", "2", "1.0", "null"})
    reply(std::string(R"({"jsonrpc":"2.0","id":)") + id + R"(,"error":{"code":1,"message":"m"}})");
  EXPECT_THAT(server->sent, IsEmpty());
  reply(R"({"jsonrpc":"2.0","id":1,"error":{"code":-1,"message":"no"}})");
  reply(R"({"jsonrpc":"2.0","id":1,"result":{}})");
  EXPECT_THAT(server->sent, ElementsAre(R"({"jsonrpc":"2.0","id":"s-1","error":{"code":-1,"message":"no"}})"));
  EXPECT_GE(rig.shard->core().metrics.client_answers_dropped.value(), 5U);
}

TEST_F(AsksTest, without_a_call_the_newest_stream_of_the_session_is_asked) {
  open();
  server->ask(R"({"jsonrpc":"2.0","id":3,"method":"roots/list"})");
  EXPECT_THAT(server->sent, ElementsAre(AllOf(HasSubstr(R"("id":3)"), HasSubstr("-32603"))));
  DoorStream& stream = rig.get(session);
  server->ask(R"({"jsonrpc":"2.0","id":4,"method":"roots/list"})");
  rig.run();
  EXPECT_THAT(stream.body, HasSubstr(R"({"jsonrpc":"2.0","id":2,"method":"roots/list"})"));
  reply(R"({"jsonrpc":"2.0","id":2,"result":{"roots":[]}})");
  EXPECT_THAT(server->sent.back(), HasSubstr(R"("id":4,"result")"));
}

TEST_F(AsksTest, the_newest_call_of_that_server_hears_the_question) {
  open();
  DoorStream& older = begin_call("7");
  DoorStream& newer = begin_call("8");
  DoorStream& elsewhere = rig.post(call("9", "files__read"), session);
  server->ask(kSampling);
  rig.run();
  EXPECT_THAT(newer.body, HasSubstr("sampling"));
  EXPECT_EQ(older.body, "");
  EXPECT_EQ(elsewhere.body, "");
}

TEST_F(AsksTest, an_elicitation_names_the_server_that_asks) {
  open();
  DoorStream& stream = begin_call();
  server->ask(
      R"({"jsonrpc":"2.0","id":1,"method":"elicitation/create","params":{"message":"Your \"name\"?","requestedSchema":{}}})");
  rig.run();
  EXPECT_THAT(stream.body, HasSubstr(R"("message":"[box] Your \"name\"?")"));
  rig.own.back()->ask(
      R"({"jsonrpc":"2.0","id":2,"method":"elicitation/create","params":{"mode":"url","message":"m","url":"https://a"}})");
  rig.run();
  EXPECT_THAT(stream.body, HasSubstr(R"("url":"https://a")"));
  server->tell(R"({"jsonrpc":"2.0","method":"notifications/elicitation/complete","params":{"elicitationId":"e"}})");
  rig.run();
  EXPECT_THAT(stream.body, HasSubstr("elicitationId"));
}

TEST_F(AsksTest, an_elicitation_by_url_is_refused_where_the_client_takes_only_forms) {
  open(R"({"elicitation":{}})");
  DoorStream& stream = begin_call();
  server->ask(
      R"({"jsonrpc":"2.0","id":2,"method":"elicitation/create","params":{"mode":"url","message":"m","url":"https://a"}})");
  rig.run();
  EXPECT_EQ(stream.body, "");
  EXPECT_THAT(server->sent, ElementsAre(HasSubstr("-32602")));
  EXPECT_TRUE(rig.audited({"elicitation/create", "refused"}));
}

TEST_F(AsksTest, progress_and_cancellation_of_a_question_carry_the_ids_of_each_side) {
  open();
  DoorStream& stream = begin_call();
  server->ask(
      R"({"jsonrpc":"2.0","id":"a","method":"sampling/createMessage","params":{"_meta":{"progressToken":"tok"}}})");
  rig.run();
  EXPECT_THAT(stream.body, HasSubstr(R"("progressToken":1)"));
  reply(R"({"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":5}})");
  reply(R"({"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":9,"progress":5}})");
  EXPECT_THAT(
      server->sent,
      ElementsAre(
          R"({"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"tok","progress":5}})"));
  server->tell(R"({"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"a"}})");
  rig.run();
  EXPECT_THAT(stream.body,
              HasSubstr(R"({"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}})"));
  reply(R"({"jsonrpc":"2.0","id":1,"result":{}})");
  EXPECT_THAT(server->sent, SizeIs(1));
}

TEST_F(AsksTest, a_question_ends_with_its_call_and_with_time) {
  open();
  DoorStream& events = rig.get(session);
  begin_call();
  server->ask(kSampling);
  server->answer(0, "{}");
  rig.run();
  EXPECT_THAT(server->sent, ElementsAre(AllOf(HasSubstr(R"("id":"s-1")"), HasSubstr("-32603"))));
  server->ask(kSampling);
  rig.run();
  EXPECT_THAT(events.body, HasSubstr(R"("id":2,"method":"sampling)"));
  rig.wait(std::chrono::seconds(301));
  EXPECT_THAT(server->sent, SizeIs(2));
  EXPECT_THAT(events.body, HasSubstr(R"("notifications/cancelled","params":{"requestId":2,)"));
  EXPECT_TRUE(rig.audited({"sampling/createMessage", "timeout"}));
}

TEST_F(AsksTest, an_answer_for_a_process_that_ended_does_not_reach_the_next_one) {
  open();
  DoorStream& events = rig.get(session);
  server->ask(kSampling);
  server->generations = 2;
  reply(R"({"jsonrpc":"2.0","id":1,"result":{}})");
  EXPECT_THAT(server->sent, IsEmpty());
  server->ask(kSampling);
  server->generations = 3;
  server->observer->on_settled(*server);
  rig.run();
  EXPECT_THAT(events.body, HasSubstr(R"("notifications/cancelled","params":{"requestId":2,)"));
  EXPECT_THAT(server->sent, IsEmpty());
}

TEST_F(AsksTest, no_more_than_sixty_four_questions_wait) {
  open();
  rig.get(session);
  for (std::size_t i = 0; i < Asks::kMost; ++i) server->ask(kSampling);
  EXPECT_THAT(server->sent, IsEmpty());
  server->ask(kSampling);
  EXPECT_THAT(server->sent, ElementsAre(HasSubstr("-32603")));
}

TEST_F(AsksTest, the_end_of_a_session_ends_its_instance_and_answers_what_is_open) {
  open();
  rig.get(session);
  std::vector<std::string> last_words;
  server->sent_list = &last_words;
  server->ask(kSampling);
  rig.send({}, {.method = ipc::Method::delete_, .session = session});
  EXPECT_THAT(rig.ended, ElementsAre("box"));
  EXPECT_THAT(last_words, ElementsAre(HasSubstr("-32603")));
}

TEST_F(AsksTest, an_instance_starts_when_the_client_is_ready_or_lists) {
  open();
  EXPECT_EQ(server->wakes, 0);
  reply(R"({"jsonrpc":"2.0","method":"notifications/initialized"})");
  EXPECT_EQ(server->wakes, 1);
  open();
  rig.post(kList, session);
  EXPECT_EQ(server->wakes, 1);
}

TEST_F(AsksTest, over_the_limit_calls_of_that_server_fail_with_the_reason) {
  session = rig.initialize();
  rig.own.back()->over_limit = true;
  EXPECT_THAT(begin_call().body, HasSubstr(std::string(base::facts(Reason::instance_limit).label)));
  EXPECT_EQ(rig.refusals(Reason::instance_limit), 1U);
  EXPECT_THAT(rig.post(call("1", "other"), session).body, Not(HasSubstr("instance")));
}

TEST_F(AsksTest, a_change_of_the_instance_is_announced_to_its_session_alone) {
  const std::string other = rig.initialize();
  open();
  DoorStream& theirs = rig.get(other);
  DoorStream& ours = rig.get(session);
  rig.run();
  const std::string before = ours.body;
  server->set_tools({tool("ask"), tool("more")});
  server->observer->on_offer_changed(*server);
  rig.wait(base::Milliseconds(200));
  EXPECT_THAT(ours.body.substr(before.size()), HasSubstr("notifications/tools/list_changed"));
  EXPECT_THAT(theirs.body, Not(HasSubstr("list_changed")));
}

TEST_F(AsksTest, many_changes_of_roots_reach_the_server_as_one_a_second) {
  open();
  const std::string changed = R"({"jsonrpc":"2.0","method":"notifications/roots/list_changed"})";
  for (int i = 0; i < 50; ++i) reply(changed);
  EXPECT_THAT(server->sent, ElementsAre(changed)) << "the first at once";
  rig.wait(base::Milliseconds{1'100});
  EXPECT_THAT(server->sent, ElementsAre(changed, changed)) << "the last is not lost";
  rig.wait(base::Milliseconds{5'000});
  EXPECT_THAT(server->sent, SizeIs(2));
  reply(changed);
  EXPECT_THAT(server->sent, SizeIs(3)) << "at once again";
}

TEST_F(AsksTest, roots_changes_levels_and_log_messages_stay_in_the_session) {
  open();
  const FakeServer& other = *rig.own.back();
  open();
  ASSERT_NE(&other, server);
  DoorStream& events = rig.get(session);
  const std::string changed = R"({"jsonrpc":"2.0","method":"notifications/roots/list_changed"})";
  reply(changed);
  EXPECT_THAT(server->sent, ElementsAre(changed));
  EXPECT_THAT(other.sent, IsEmpty());
  const auto log = [&](const std::string& level) {
    server->tell(R"({"jsonrpc":"2.0","method":"notifications/message","params":{"level":")" + level + R"(","data":")" +
                 level + R"(!"}})");
    rig.run();
  };
  log("debug");
  log("info");
  reply(R"({"jsonrpc":"2.0","id":1,"method":"logging/setLevel","params":{"level":"error"}})");
  EXPECT_EQ(server->log_level, "error");
  EXPECT_EQ(other.log_level, "");
  log("warning");
  log("error");
  EXPECT_THAT(events.body,
              AllOf(HasSubstr("info!"), HasSubstr("error!"), Not(HasSubstr("debug!")), Not(HasSubstr("warning!"))));
}

TEST_F(AsksTest, a_reload_changes_what_sessions_have) {
  open();
  rig.isolate({});
  EXPECT_THAT(rig.ended, ElementsAre("box"));
  EXPECT_THAT(rig.post(kList, session).body, AllOf(HasSubstr("box__shared"), Not(HasSubstr("box__ask"))));
  rig.isolate({Isolation::session, Isolation::session});
  EXPECT_THAT(rig.own, SizeIs(3));
  EXPECT_THAT(rig.post(kList, session).body, Not(HasSubstr("box__shared")));
}

TEST_F(AsksTest, a_principals_instance_serves_all_his_sessions_and_modern_requests_and_nobody_elses) {
  rig.isolate({Isolation::shared, Isolation::principal});
  const std::string first = rig.initialize("2025-11-25", 1000);
  ASSERT_THAT(rig.own, SizeIs(1));
  FakeServer& his = *rig.own.back();
  EXPECT_EQ(his.order.owner, "principal uid:1000");
  EXPECT_EQ(his.order.client_capabilities, "{}");
  his.set_tools({tool("mine")});
  his.observer->on_offer_changed(his);
  const std::string second = rig.initialize("2025-11-25", 1000);
  EXPECT_THAT(rig.own, SizeIs(1));
  for (const std::string& id : {first, second})
    EXPECT_THAT(rig.send(kList, {.session = id, .uid = 1000}).body, HasSubstr("box__mine"));
  EXPECT_THAT(ask_modern("tools/list", 1000), HasSubstr("box__mine"));
  EXPECT_THAT(ask_modern("tools/list", 1001), Not(HasSubstr("box__mine")));
  EXPECT_THAT(rig.own, SizeIs(2));
  EXPECT_THAT(rig.own.back()->order.owner, HasSubstr("uid:1001"));
}

TEST(Isolation, costs_nothing_where_no_entry_has_it) {
  Rig rig;
  rig.serve("files", "", {tool("read")});
  rig.initialize();
  rig.shard->core().sessions.for_each([&](mcp::Session& session) {
    EXPECT_EQ(session.own(), nullptr);
    EXPECT_EQ(&session.view(), &rig.shard->core().handshake_view);
  });
}

}  // namespace
}  // namespace clawql::engine::line
