#include "engine/upstream/stdio_server_rig.hpp"

namespace clawql::engine::upstream {
namespace {

using namespace testing_support;
using base::Reason;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class StdioServerLifeTest : public StdioServerRig {};

TEST_F(StdioServerLifeTest, death_fails_every_call_at_once_and_the_next_call_waits_for_the_restart) {
  make_ready();
  RecordingSink one, two, next;
  call(one);
  call(two);
  one.then = [&] { call(next); };  // a caller that tries again at once
  process.die();
  turn();  // the pipes alone tell it; the report of the exit comes later
  ASSERT_TRUE(one.failure);
  ASSERT_TRUE(two.failure);
  EXPECT_EQ(one.failure->reason, Reason::server_unavailable);
  EXPECT_FALSE(next.over);
  EXPECT_THAT(list(), SizeIs(1)) << "the next call must find its tool";
  EXPECT_EQ(observer.offer_changed, 1);
  server->exited({.name = "files", .incarnation = incarnation, .how = "killed by SIGKILL", .retry_ms = 250});
  EXPECT_EQ(server->state(), State::starting);
  EXPECT_FALSE(server->worth_waiting_for()) << "its old list serves";
  start();
  answer_initialize();
  answer_list(R"({"tools":[)" + tool("echo") + "]}");
  const auto lines = heard();
  ASSERT_THAT(lines, SizeIs(1));
  say(answer(id_in(lines[0])));
  EXPECT_FALSE(next.response.empty());
  EXPECT_EQ(observer.offer_changed, 1) << "the same list is no change";
  EXPECT_THAT(launcher.asked, ElementsAre("start files")) << "the supervisor restarts by itself";
}

TEST_F(StdioServerLifeTest, an_answer_written_just_before_the_exit_still_arrives) {
  make_ready();
  RecordingSink sink;
  const CallId id = *call(sink);
  process.say(answer(id));
  process.complain("goodbye");
  process.die();
  server->exited({.name = "files", .incarnation = incarnation, .how = "exited with status 0", .retry_ms = 250});
  turn();
  EXPECT_FALSE(sink.response.empty());
  EXPECT_THAT(server->describe().last_stderr, ElementsAre("goodbye"));
  EXPECT_EQ(server->describe().reason, "exited with status 0");
}

TEST_F(StdioServerLifeTest, a_descendant_that_holds_the_pipes_open_delays_the_end_only_a_moment) {
  make_ready();
  RecordingSink sink;
  call(sink);
  server->exited({.name = "files", .incarnation = incarnation, .how = "exited with status 1", .retry_ms = 250});
  turn();
  pass(base::Milliseconds(400));
  ASSERT_TRUE(sink.failure);
  EXPECT_EQ(sink.failure->reason, Reason::server_unavailable);
}

TEST_F(StdioServerLifeTest, a_server_that_dies_before_it_is_ready_fails_and_its_tools_are_gone) {
  make_ready();
  die();
  start();
  refuse_only("server/discover");
  process.complain("Error: cannot find module");
  turn();
  RecordingSink sink;
  call(sink);
  die("exited with status 1");
  EXPECT_EQ(server->state(), State::failed);
  ASSERT_TRUE(sink.failure);
  EXPECT_THAT(list(), IsEmpty());
  EXPECT_EQ(observer.offer_changed, 2);
  EXPECT_EQ(server->describe().reason, "exited with status 1");
  EXPECT_THAT(server->describe().last_stderr, ElementsAre("Error: cannot find module"));
  start();
  answer_initialize();
  answer_list(R"({"tools":[)" + tool("echo") + "]}");
  EXPECT_EQ(server->state(), State::ready) << "a failed server comes back when the supervisor brings it";
  EXPECT_EQ(observer.offer_changed, 3);
}

TEST_F(StdioServerLifeTest, a_server_that_stays_away_fails) {
  make_ready();
  die("exited with status 0", 0);
  EXPECT_EQ(server->state(), State::failed);
}

TEST_F(StdioServerLifeTest, the_end_of_a_process_of_the_engine_before_this_one_fails_nothing) {
  server->wake();
  RecordingSink sink;
  call(sink);
  // The supervisor ended it when that engine died; what this engine asks for is still to come.
  server->exited({.name = "files", .incarnation = 4, .how = "exited with status 0", .retry_ms = 0});
  EXPECT_EQ(server->state(), State::starting);
  EXPECT_FALSE(sink.over);
}

TEST_F(StdioServerLifeTest, reports_of_older_processes_change_nothing) {
  make_ready();
  die();
  start();
  answer_initialize();
  answer_list(R"({"tools":[]})");
  server->exited({.name = "files", .incarnation = incarnation - 1, .how = "late report", .retry_ms = 0});
  EXPECT_EQ(server->state(), State::ready);
  testing_support::FakeProcess other;
  server->started(other.spawn(incarnation));
  EXPECT_EQ(server->state(), State::ready);
}

TEST_F(StdioServerLifeTest, a_closed_stdout_of_a_living_process_ends_in_a_restart) {
  make_ready();
  RecordingSink sink;
  call(sink);
  process.output.reset();
  turn();
  ASSERT_TRUE(sink.failure);
  EXPECT_THAT(launcher.asked, ElementsAre("start files"));
  pass(base::Milliseconds(1'200));
  EXPECT_THAT(launcher.asked, ElementsAre("start files", "restart files"));
  die("ended as asked", 0);
  EXPECT_EQ(server->state(), State::starting) << "a restart was asked for, so it comes back";
  start();
  answer_initialize();
  answer_list(R"({"tools":[]})");
  EXPECT_EQ(server->state(), State::ready);
}

TEST_F(StdioServerLifeTest, a_closed_stdin_ends_in_a_restart_and_the_call_that_could_not_be_written_fails) {
  make_ready();
  process.input.reset();
  RecordingSink sink;
  call(sink);
  turn();
  pass(base::Milliseconds(1'200));
  EXPECT_THAT(launcher.asked, ElementsAre("start files", "restart files"));
  ASSERT_TRUE(sink.failure);
  EXPECT_EQ(sink.failure->reason, Reason::server_unavailable);
}

TEST_F(StdioServerLifeTest, the_log_level_is_sent_when_it_changes_and_again_after_a_restart) {
  server->set_log_level("warning");
  start();
  answer_initialize();
  answer_list(R"({"tools":[]})");
  const auto lines = heard();
  ASSERT_THAT(lines, SizeIs(1));
  EXPECT_THAT(lines[0], HasSubstr(R"("method":"logging/setLevel","params":{"level":"warning"})"));
  say(answer(id_in(lines[0])));
  server->set_log_level("warning");
  EXPECT_THAT(heard(), IsEmpty());
  server->set_log_level("debug");
  EXPECT_THAT(heard(), ElementsAre(HasSubstr("debug")));
  die();
  start();
  answer_initialize();
  answer_list(R"({"tools":[]})");
  EXPECT_THAT(heard(), ElementsAre(HasSubstr("debug")));
}

TEST_F(StdioServerLifeTest, a_changed_entry_restarts_the_process_and_hides_its_tools_until_it_is_back) {
  make_ready();
  RecordingSink sink, next;
  call(sink);
  auto same = settings;
  server->change(same, limits);
  EXPECT_FALSE(sink.over);
  auto changed = settings;
  changed.fingerprint = "f2";
  changed.tools = {{"other"}};
  server->change(changed, limits);
  ASSERT_TRUE(sink.failure);
  EXPECT_THAT(list(), IsEmpty());
  EXPECT_THAT(launcher.asked, ElementsAre("start files", "restart files"));
  call(next);
  die("ended as asked", 0);
  EXPECT_FALSE(next.over);
  start();
  answer_initialize();
  answer_list(R"({"tools":[)" + tool("echo") + "," + tool("other") + "]}");
  EXPECT_THAT(list(), SizeIs(1));
  EXPECT_THAT(heard(), SizeIs(1));
}

TEST_F(StdioServerLifeTest, a_second_process_that_failed_is_tried_again_after_a_while_under_a_fresh_number) {
  role = {.kind = Role::Kind::modern, .instance = instances.next(), .client_capabilities = "{}"};
  make();
  RecordingSink first, second, third;
  call(first);
  server->exited(
      {.name = "files", .instance = 1, .incarnation = 1, .how = "could not be started: full", .retry_ms = 0});
  ASSERT_TRUE(first.failure);
  pass(base::Milliseconds(9'000));
  call(second);
  EXPECT_TRUE(second.failure) << "not with every call";
  pass(base::Milliseconds(1'500));
  call(third);
  EXPECT_FALSE(third.over);
  EXPECT_THAT(launcher.asked, ElementsAre("start files 256", "stop files 256", "start files 512"));
}

TEST_F(StdioServerLifeTest, a_retired_server_fails_its_calls_and_takes_no_more) {
  make_ready();
  RecordingSink sink, late;
  call(sink);
  server->retire();
  ASSERT_TRUE(sink.failure);
  EXPECT_EQ(call(late), std::nullopt);
  ASSERT_TRUE(late.failure);
  server->exited({.name = "files", .incarnation = 9, .how = "x", .retry_ms = 1});
  EXPECT_EQ(server->state(), State::stopped);
}

}  // namespace
}  // namespace clawql::engine::upstream
