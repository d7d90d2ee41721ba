// Tasks of 2025-11-25: ids of ours, bound to who made the task.
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
using testing_support::call;
using testing_support::DoorStream;
using testing_support::FakeServer;
using testing_support::Rig;
using testing_support::tool;

constexpr std::string_view kRelated = "io.modelcontextprotocol/related-task";
const upstream::Features kTasks{.tools = true, .tasks = true, .cancels_tasks = true, .speaks_handshake_era = true};

std::string as_task(std::string_view id, std::string_view name, std::string_view more = "") {
  return R"({"jsonrpc":"2.0","id":)" + std::string(id) + R"(,"method":"tools/call","params":{"name":")" +
         std::string(name) + R"(","task":{"ttl": 6e4}, "arguments":{})" + std::string(more) + "}}";
}
std::string about(std::string_view id, std::string_view method, std::string_view task) {
  return R"({"jsonrpc":"2.0","id":)" + std::string(id) + R"(,"method":"tasks/)" + std::string(method) +
         R"(","params":{"taskId":")" + std::string(task) + R"("}})";
}
std::string state(std::string_view task, std::string_view status = "working", std::string_view ttl = "60000") {
  return R"({"taskId":")" + std::string(task) + R"(","status":")" + std::string(status) + R"(","ttl":)" +
         std::string(ttl) + "}";
}
std::string meta(std::string_view task) {
  return R"("_meta":{")" + std::string(kRelated) + R"(":{"taskId":")" + std::string(task) + R"("}})";
}
std::string id_in(std::string_view body) {
  const std::size_t at = body.find(R"("taskId":")");
  return at == std::string_view::npos ? std::string() : std::string(body.substr(at + 10, 64));
}

class TasksTest : public testing::Test {
 protected:
  explicit TasksTest(const base::Limits& limits = {}) : rig(limits) {
    server = &rig.serve("lab", "lab__", {tool("cook")});
    server->generations = 11;
    other = &rig.serve("files", "files__", {tool("read")});
    other->generations = 12;
    server->set_features(kTasks);
    rig.isolate({});
    rig.shard->on_offer_changed(*server);
    rig.wait(base::Milliseconds(200));
    session = rig.initialize();
  }
  DoorStream& post(const std::string& body) { return rig.post(body, session); }
  // A task that the server calls `name`; our id of it.
  std::string make(std::string_view name = "t1", std::string_view more = "") {
    DoorStream& stream = post(as_task("7", "lab__cook", more));
    server->answer(server->calls() - 1, R"({"task":)" + state(name) + "}");
    rig.run();
    EXPECT_EQ(stream.status, 200) << stream.body;
    return id_in(stream.body);
  }
  Rig rig;
  FakeServer *server, *other;
  std::string session;
};

std::string initialize_body(Rig& rig, std::string_view version) {
  return rig
      .send(R"({"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":")" + std::string(version) +
                R"(","capabilities":{},"clientInfo":{}}})",
            {})
      .body;
}

TEST_F(TasksTest, are_declared_to_sessions_of_2025_11_25_when_a_server_has_them) {
  EXPECT_THAT(initialize_body(rig, "2025-11-25"),
              HasSubstr(R"("tasks":{"cancel":{},"list":{},"requests":{"tools":{"call":{}}}})"));
  EXPECT_THAT(initialize_body(rig, "2025-06-18"), Not(HasSubstr("\"tasks\"")));
  upstream::Features features = kTasks;
  features.cancels_tasks = false;
  server->set_features(features);
  rig.shard->on_offer_changed(*server);
  EXPECT_THAT(initialize_body(rig, "2025-11-25"), HasSubstr(R"("tasks":{"list":{},"requests":{"tools":{"call":{}}}})"));
  server->set_features({});
  rig.shard->on_offer_changed(*server);
  EXPECT_THAT(initialize_body(rig, "2025-11-25"), Not(HasSubstr("\"tasks\"")));
  server->current = upstream::State::starting;
  EXPECT_THAT(initialize_body(rig, "2025-11-25"), HasSubstr("\"tasks\"")) << "it may have them";
}

TEST_F(TasksTest, are_made_by_the_server_and_known_under_an_id_of_ours) {
  const std::string id = make("a\\u0062\\\"c", ",\"_meta\":{\"progressToken\":9}");
  EXPECT_EQ(id.size(), 64U);
  EXPECT_TRUE(server->seen(0).as_task);
  EXPECT_THAT(server->seen(0).text, HasSubstr(R"("task":{"ttl": 6e4}, "arguments":{})")) << "as it came";
  DoorStream& stream = post(about("8", "get", id));
  EXPECT_EQ(server->seen(1).generation, 11U);
  EXPECT_EQ(
      server->seen(1).text,
      R"({"jsonrpc":"2.0","id":8,"method":"tasks/get","params":{"taskId":"a\u0062\"c"}})");  // as the server wrote it
  server->answer(1, state("a\\u0062\\\"c", "input_required"));
  rig.run();
  EXPECT_EQ(stream.body, R"({"jsonrpc":"2.0","result":)" + state(id, "input_required") + R"(,"id":8})");
  EXPECT_TRUE(rig.audited({"\"tasks/get\"", "\"intent\"", "\"cook\"", "\"lab\""}));
  EXPECT_TRUE(rig.audited({"\"tasks/get\"", "\"success\"", "\"cook\"", "\"lab\""}));
}

TEST_F(TasksTest, give_their_result_and_can_be_cancelled) {
  const std::string id = make();
  DoorStream& result = post(about("8", "result", id));
  EXPECT_FALSE(result.ended) << "it blocks until the task is over";
  server->answer(1, R"({"content":[],)" + meta("t1") + "}");
  rig.run();
  EXPECT_EQ(result.body, R"({"jsonrpc":"2.0","result":{"content":[],)" + meta(id) + R"(},"id":8})");
  DoorStream& cancelled = post(about("9", "cancel", id));
  EXPECT_THAT(server->seen(2).text, HasSubstr(R"("taskId":"t1")"));
  server->say(2, R"({"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"it is completed"}})");
  rig.run();
  EXPECT_THAT(cancelled.body, HasSubstr("it is completed"));
  post(about("10", "get", id));
  EXPECT_EQ(server->calls(), 4U) << "that it cannot be cancelled is not that it is unknown";
}

TEST_F(TasksTest, belong_to_their_principal_and_whoever_else_asks_hears_what_a_guess_hears) {
  const std::string id = make();
  const std::string strange = rig.initialize("2025-11-25", 1000), same = rig.initialize();
  for (const char* method : {"get", "result", "cancel"}) {
    for (const std::string& guess : {id, std::string("t1"), std::string(64, '0'), std::string()}) {
      const DoorStream& stream = rig.send(about("8", method, guess), {.session = strange, .uid = 1000});
      EXPECT_EQ(stream.status, 200);
      EXPECT_EQ(
          stream.body,
          R"({"jsonrpc":"2.0","id":8,"error":{"code":-32602,"message":"Unknown task","data":{"reason":"task.unknown"}}})");
    }
  }
  EXPECT_EQ(rig.refusals(Reason::task_unknown), 12U);
  EXPECT_TRUE(rig.audited({"\"task.unknown\"", "\"refused\"", "uid:1000"}));
  EXPECT_EQ(server->calls(), 1U);
  rig.post(about("8", "get", "t1"), same);
  EXPECT_EQ(server->calls(), 1U) << "the server's id alone means nothing";
  rig.post(about("8", "get", id), same);
  EXPECT_EQ(server->calls(), 2U) << "another session of the same principal";
}

TEST_F(TasksTest, of_a_process_that_ended_are_gone_and_it_is_said) {
  const std::string id = make();
  DoorStream& racing = post(about("7", "get", id));
  server->fail(1, Reason::task_lost);  // it ended while the request was on its way
  rig.run();
  EXPECT_THAT(racing.body, AllOf(HasSubstr("-32602"), HasSubstr("task.lost")));
  server->generations = 13;
  const DoorStream& stream = post(about("8", "get", id));
  EXPECT_THAT(stream.body, AllOf(HasSubstr("-32602"), HasSubstr("task.lost"), HasSubstr("has ended")));
  EXPECT_EQ(rig.refusals(Reason::task_lost), 2U);
  EXPECT_EQ(server->calls(), 2U);
  rig.wait(std::chrono::seconds(61));
  EXPECT_THAT(post(about("9", "get", id)).body, HasSubstr("task.unknown"));
}

TEST_F(TasksTest, are_forgotten_when_their_time_is_over_or_their_server_forgot_them) {
  const std::string id = make();
  rig.wait(std::chrono::seconds(100));
  post(about("8", "get", id));
  ASSERT_EQ(server->calls(), 2U);
  server->answer(1, state("t1"));
  rig.wait(std::chrono::seconds(100));
  post(about("9", "get", id));
  ASSERT_EQ(server->calls(), 3U) << "the server spoke of it since";
  server->say(2, R"({"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"expired"}})");
  rig.run();
  EXPECT_THAT(post(about("10", "get", id)).body, HasSubstr("task.unknown"));
  const std::string second = make("t2");
  rig.wait(std::chrono::seconds(121));
  EXPECT_THAT(post(about("11", "get", second)).body, HasSubstr("task.unknown"));
}

TEST_F(TasksTest, are_not_made_of_tools_whose_server_has_none) {
  const DoorStream& stream = post(as_task("7", "files__read"));
  EXPECT_EQ(
      stream.body,
      R"({"jsonrpc":"2.0","id":7,"error":{"code":-32601,"message":"This tool cannot be called as a task","data":{"reason":"task.unsupported"}}})");
  EXPECT_EQ(rig.refusals(Reason::task_unsupported), 1U);
  EXPECT_EQ(other->calls(), 0U);
  EXPECT_THAT(
      post(R"({"jsonrpc":"2.0","id":8,"method":"tools/call","params":{"name":"lab__cook","task":1,"arguments":{}}})")
          .body,
      HasSubstr("params.invalid"));
  server->set_features({});
  rig.shard->on_offer_changed(*server);
  post(as_task("9", "files__read"));
  ASSERT_EQ(other->calls(), 1U) << "nobody told of tasks, so the member has no meaning";
  EXPECT_THAT(other->seen(0).text, HasSubstr(R"("task":{"ttl": 6e4})"));
  EXPECT_THAT(post(about("10", "list", "")).body, HasSubstr("-32601"));
}

TEST_F(TasksTest, are_not_made_for_clients_of_another_revision) {
  const std::string old = rig.initialize("2025-06-18");
  rig.post(as_task("7", "lab__cook"), old);
  EXPECT_FALSE(server->seen(0).as_task);
  EXPECT_EQ(server->seen(0).text,
            R"({"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"cook", "arguments":{}}})");
  for (const char* method : {"get", "result", "cancel", "list"})
    EXPECT_THAT(rig.post(about("8", method, "t1"), old).body, HasSubstr("-32601")) << method;
  EXPECT_EQ(rig.refusals(Reason::method_unknown), 4U);
}

TEST_F(TasksTest, that_the_server_did_at_once_or_refused_are_plain_answers) {
  DoorStream& stream = post(as_task("7", "lab__cook"));
  server->answer(0, R"({"content":[]})");
  rig.run();
  EXPECT_THAT(stream.body, HasSubstr(R"({"content":[]})"));
  EXPECT_EQ(rig.common.tasks.size(), 0U);
  for (const std::string& bad : {std::string("7"), std::string("\"\""), '"' + std::string(300, 'x') + '"'}) {
    DoorStream& failed = post(as_task("7", "lab__cook"));
    server->answer(server->calls() - 1, R"({"task":{"taskId":)" + bad + "}}");
    rig.run();
    EXPECT_THAT(failed.body, AllOf(HasSubstr("-32603"), HasSubstr("server.unavailable"))) << bad;
  }
}

TEST_F(TasksTest, of_one_principal_are_never_given_to_another_by_their_server) {
  make("t1");
  const std::string strange = rig.initialize("2025-11-25", 1000);
  DoorStream& stream = rig.send(as_task("7", "lab__cook"), {.session = strange, .uid = 1000});
  server->answer(1, R"({"task":)" + state("t1") + "}");
  rig.run();
  EXPECT_THAT(stream.body, HasSubstr("server.unavailable"));
}

// ---- what belongs to a task

TEST_F(TasksTest, are_named_to_a_server_by_its_own_id_and_never_by_what_a_client_made_up) {
  const std::string id = make();
  post(as_task("8", "lab__cook", "," + meta(id)));
  EXPECT_THAT(server->seen(1).text, HasSubstr(meta("t1")));
  EXPECT_THAT(post(as_task("9", "lab__cook", "," + meta("t1"))).body, HasSubstr("task.unknown"));
  EXPECT_THAT(
      post(call("10", "files__read").substr(0, 0) +
           R"({"jsonrpc":"2.0","id":10,"method":"tools/call","params":{"name":"files__read",)" + meta(id) + "}}")
          .body,
      HasSubstr("task.unknown"))
      << "of another server";
  // In requests about a task the parameter counts and nothing else.
  post(R"({"jsonrpc":"2.0","id":11,"method":"tasks/get","params":{"taskId":")" + id + "\"," + meta("t9") + "}}");
  EXPECT_THAT(server->seen(2).text, AllOf(HasSubstr(R"("taskId":"t1")"), Not(HasSubstr("t9"))));
}

TEST_F(TasksTest, tell_the_session_that_made_them_how_they_stand) {
  const std::string id = make("t1", R"(,"_meta":{"progressToken":"mine"})");
  DoorStream& events = rig.get(session);
  const std::string same = rig.initialize();
  DoorStream& others = rig.get(same);
  const auto tell = [&](const std::string& text) {
    const auto document = json::Document::parse(text, {});
    rig.shard->on_notification(*server, *document);
    rig.run();
  };
  tell(R"({"jsonrpc":"2.0","method":"notifications/tasks/status","params":)" + state("t1", "completed") + "}");
  EXPECT_THAT(events.body, HasSubstr(R"("params":)" + state(id, "completed")));
  tell(R"({"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":77,"progress":1,)" + meta("t1") +
       "}}");
  EXPECT_THAT(events.body, HasSubstr(R"("progressToken":"mine","progress":1,)" + meta(id)));
  tell(R"({"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":1,)" + meta("t1") + "}}");
  EXPECT_THAT(events.body, HasSubstr(R"("level":"info","data":1,)" + meta(id)));
  EXPECT_THAT(others.body, Not(HasSubstr("jsonrpc"))) << "a stream begins with an event without a message";
  const std::string before = events.body;
  tell(R"({"jsonrpc":"2.0","method":"notifications/message","params":{"level":"debug","data":1,)" + meta("t1") + "}}");
  tell(R"({"jsonrpc":"2.0","method":"notifications/tasks/status","params":)" + state("t2", "completed") + "}");
  EXPECT_EQ(events.body, before) << "too quiet, and nobody's";
  // Who waits for the result hears it there.
  DoorStream& result = post(about("8", "result", id));
  tell(R"({"jsonrpc":"2.0","method":"notifications/tasks/status","params":)" + state("t1", "working") + "}");
  EXPECT_THAT(result.body, HasSubstr(state(id, "working")));
  EXPECT_EQ(events.body, before);
}

TEST_F(TasksTest, that_are_not_the_readers_are_not_named_to_him) {
  make("t1");
  const std::string strange = rig.initialize("2025-11-25", 1000);
  DoorStream& stream = rig.send(call("7", "lab__cook"), {.session = strange, .uid = 1000});
  server->answer(1, R"({"content":[],)" + meta("t1") + "}");
  rig.run();
  EXPECT_THAT(stream.body, HasSubstr(R"({"content":[],"_meta":{}})"));
}

// ---- tasks/list

TEST_F(TasksTest, are_listed_for_their_principal_as_their_servers_say_now) {
  const std::string one = make("t1"), two = make("t2"), gone = make("t3");
  const std::string strange = rig.initialize("2025-11-25", 1000);
  EXPECT_THAT(rig.send(about("8", "list", ""), {.session = strange, .uid = 1000}).body, HasSubstr(R"({"tasks":[]})"));
  DoorStream& stream = post(about("8", "list", ""));
  ASSERT_EQ(server->calls(), 6U);
  EXPECT_EQ(server->seen(3).text, R"({"jsonrpc":"2.0","id":0,"method":"tasks/get","params":{"taskId":"t1"}})");
  server->answer(4, R"({"taskId":"t2","status":"completed",)" + meta("t2") + "}");
  server->say(5, R"({"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"expired"}})");
  EXPECT_FALSE(stream.ended);
  server->answer(3, state("t1"));
  rig.run();
  EXPECT_EQ(stream.body, R"({"jsonrpc":"2.0","id":8,"result":{"tasks":[)" + state(one) + R"(,{"taskId":")" + two +
                             R"(","status":"completed"}]}})");
  EXPECT_THAT(post(about("9", "get", gone)).body, HasSubstr("task.unknown"));
}

TEST_F(TasksTest, are_listed_in_pages) {
  std::vector<std::string> ids;
  ids.reserve(51);
  for (int i = 0; i < 51; ++i) ids.push_back(make("t" + std::to_string(i)));
  DoorStream& first = post(about("8", "list", ""));
  ASSERT_EQ(server->calls(), 101U);
  for (std::size_t i = 0; i < 50; ++i) server->answer(51 + i, state("t" + std::to_string(i)));
  rig.run();
  EXPECT_THAT(first.body, AllOf(HasSubstr(ids[49]), Not(HasSubstr(ids[50]))));
  const std::size_t at = first.body.find(R"("nextCursor":)");
  ASSERT_NE(at, std::string::npos);
  const std::string cursor = first.body.substr(at + 13, first.body.rfind('"') - at - 12);
  DoorStream& second = post(R"({"jsonrpc":"2.0","id":9,"method":"tasks/list","params":{"cursor":)" + cursor + "}}");
  ASSERT_EQ(server->calls(), 102U);
  server->answer(101, state("t50"));
  rig.run();
  EXPECT_THAT(second.body, AllOf(HasSubstr(ids[50]), Not(HasSubstr("nextCursor"))));
  for (const char* bad : {"\"x\"", "1", "\"\""})
    EXPECT_THAT(
        post(R"({"jsonrpc":"2.0","id":9,"method":"tasks/list","params":{"cursor":)" + std::string(bad) + "}}").body,
        HasSubstr("-32602"));
}

TEST_F(TasksTest, whose_server_is_silent_gone_or_taken_away_are_left_out_of_the_list) {
  const std::string one = make("t1");
  make("t2");
  DoorStream& late = post(about("8", "list", ""));
  server->answer(2, state("t1"));
  rig.wait(std::chrono::seconds(11));
  EXPECT_THAT(late.body, HasSubstr(R"("tasks":[)" + state(one) + "]"));
  ASSERT_EQ(server->cancelled.size(), 1U);

  DoorStream& failed = post(about("9", "list", ""));
  server->fail(4, Reason::server_unavailable);
  server->fail(5, Reason::task_lost);
  rig.run();
  EXPECT_THAT(failed.body, HasSubstr(R"("tasks":[])"));

  DoorStream& removed = post(about("10", "list", ""));
  EXPECT_FALSE(removed.ended);
  rig.shard->set_servers({{.server = other, .name = "files"}});
  rig.run();
  EXPECT_THAT(removed.body, HasSubstr(R"("tasks":[])"));
}

TEST_F(TasksTest, being_listed_for_a_session_that_ends_or_a_client_that_withdraws_is_stopped) {
  make("t1");
  DoorStream& withdrawn = post(about("8", "list", ""));
  post(R"({"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":8}})");
  EXPECT_TRUE(withdrawn.ended);
  EXPECT_EQ(server->cancelled.size(), 1U);
  post(about("9", "list", ""));
  rig.send({}, {.method = ipc::Method::delete_, .session = session});
  EXPECT_EQ(server->cancelled.size(), 2U);
}

// ---- limits

class FewTasksTest : public TasksTest {
 protected:
  FewTasksTest() : TasksTest({.tasks_principal = 2, .tasks = 3}) {}
};

TEST_F(FewTasksTest, are_refused_over_the_limit_of_a_principal_and_of_all) {
  make("t1");
  DoorStream& waiting = post(as_task("8", "lab__cook"));
  const DoorStream& stream = post(as_task("9", "lab__cook"));
  EXPECT_THAT(stream.body, AllOf(HasSubstr("-32603"), HasSubstr("limit.tasks")));
  EXPECT_EQ(rig.refusals(Reason::task_limit), 1U);
  EXPECT_TRUE(rig.audited({"\"limit.tasks\"", "\"refused\""}));
  EXPECT_EQ(server->calls(), 2U);
  server->answer(1, R"({"content":[]})");
  rig.run();
  EXPECT_TRUE(waiting.ended);
  make("t2");
  const std::string strange = rig.initialize("2025-11-25", 1000);
  rig.send(as_task("7", "lab__cook"), {.session = strange, .uid = 1000});
  EXPECT_THAT(rig.send(as_task("8", "lab__cook"), {.session = strange, .uid = 1000}).body, HasSubstr("limit.tasks"))
      << "three in all";
}

TEST_F(FewTasksTest, of_a_process_that_ended_do_not_take_the_place_of_others_for_long) {
  make("t1");
  make("t2");
  server->generations = 13;
  EXPECT_THAT(post(as_task("8", "lab__cook")).body, HasSubstr("limit.tasks"));
  rig.wait(std::chrono::seconds(61));
  make("t1");
}

TEST_F(TasksTest, of_a_server_that_failed_since_can_still_be_asked_for) {
  const std::string id = make();
  server->current = upstream::State::failed;
  server->set_features({});
  rig.shard->on_offer_changed(*server);
  post(about("8", "get", id));
  server->fail(1, Reason::task_lost);
  rig.run();
  EXPECT_EQ(rig.refusals(Reason::task_lost), 1U);
}

// ---- of a session's own server

class OwnTasksTest : public TasksTest {
 protected:
  OwnTasksTest() {
    rig.isolate({Isolation::session});
    session = open(21);
    own = rig.own.back();
  }
  std::string open(std::uint64_t generation) {
    std::string opened = rig.initialize("2025-11-25", 0, R"({"elicitation":{"form":{}},"tasks":{"requests":{}}})");
    FakeServer& made = *rig.own.back();
    made.generations = generation;
    made.set_tools({tool("cook")});
    made.set_features(kTasks);
    made.observer->on_offer_changed(made);
    rig.wait(base::Milliseconds(200));
    return opened;
  }
  std::string make_own() {
    DoorStream& stream = post(as_task("7", "lab__cook"));
    own->answer(own->calls() - 1, R"({"task":)" + state("t1") + "}");
    rig.run();
    return id_in(stream.body);
  }
  static std::string question(const std::string& more) {
    return R"({"jsonrpc":"2.0","id":"q","method":"elicitation/create","params":{"message":"?",)" + more + "}}";
  }
  FakeServer* own;
};

TEST_F(OwnTasksTest, keep_the_process_and_are_unknown_to_other_sessions) {
  const std::string id = make_own();
  EXPECT_EQ(own->kept_until, rig.clock.monotonic() + std::chrono::seconds(120)) << "its ttl, and a minute";
  const std::string second = open(22);
  EXPECT_THAT(rig.post(about("8", "get", id), second).body, HasSubstr("task.unknown"));
  EXPECT_THAT(own->order.client_capabilities, Not(HasSubstr("tasks"))) << "clients make no tasks for servers";
  own->generations = 23;
  EXPECT_THAT(post(about("8", "get", id)).body, HasSubstr("task.lost"));
}

TEST_F(OwnTasksTest, end_with_their_session) {
  make_own();
  rig.send({}, {.method = ipc::Method::delete_, .session = session});
  rig.wait(std::chrono::seconds(61));
  EXPECT_TRUE(rig.common.tasks.page("loopback", 0, 9, rig.clock.monotonic()).empty());
}

TEST_F(OwnTasksTest, ask_on_the_stream_where_their_result_is_awaited_and_both_sides_name_them_in_their_way) {
  const std::string id = make_own();
  DoorStream& events = rig.get(session);
  DoorStream& result = post(about("8", "result", id));
  post(about("9", "get", id));
  own->ask(question(R"("task":{"ttl":1},)" + meta("t1")));
  rig.run();
  EXPECT_THAT(result.body, AllOf(HasSubstr(R"("message":"[lab] ?",)" + meta(id)), Not(HasSubstr("ttl"))));
  EXPECT_THAT(events.body, Not(HasSubstr("elicitation")));
  post(R"({"jsonrpc":"2.0","id":1,"result":{"action":"accept",)" + meta(id) + "}}");
  EXPECT_THAT(own->sent, ElementsAre(R"({"jsonrpc":"2.0","id":"q","result":{"action":"accept",)" + meta("t1") + "}}"));
}

TEST_F(OwnTasksTest, go_on_asking_when_nobody_waits_for_their_result_any_more) {
  const std::string id = make_own();
  DoorStream& events = rig.get(session);
  post(about("8", "result", id));
  own->ask(question(meta("t1")));
  rig.run();
  post(R"({"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":8}})");
  EXPECT_THAT(own->sent, IsEmpty()) << "the question stands";
  post(R"({"jsonrpc":"2.0","id":1,"result":{"action":"decline"}})");
  EXPECT_THAT(own->sent, ElementsAre(HasSubstr("decline")));
  own->ask(question(meta("t1")));
  rig.run();
  EXPECT_THAT(events.body, HasSubstr(meta(id))) << "nobody waits, so on the session's stream";
}

TEST_F(OwnTasksTest, are_not_the_call_on_whose_stream_another_call_asks) {
  const std::string id = make_own();
  DoorStream& running = post(call("8", "lab__cook"));
  post(about("9", "get", id));
  own->ask(question(R"("x":1)"));
  rig.run();
  EXPECT_THAT(running.body, HasSubstr("elicitation/create"));
}

}  // namespace
}  // namespace clawql::engine::line
