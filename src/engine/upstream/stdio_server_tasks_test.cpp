// Tasks of 2025-11-25 at a stdio server: which process has one, and what it says while no call is in flight.
#include "engine/upstream/stdio_server_rig.hpp"

namespace clawql::engine::upstream {
namespace {

using base::Reason;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using testing_support::answer;
using testing_support::notification;
using testing_support::RecordingSink;
using testing_support::StdioServerRig;

constexpr std::string_view kMeta = R"("_meta":{"io.modelcontextprotocol/related-task":{"taskId":"t1"}})";
constexpr std::string_view kAll = R"({"list":{},"cancel":{},"requests":{"tools":{"call":{}}}})";

class StdioServerTasksTest : public StdioServerRig {
 protected:
  void make_ready_with(std::string_view tasks, std::string_view version = "2025-11-25") {
    start();
    answer_initialize(version, R"({"tools":{},"logging":{},"tasks":)" + std::string(tasks) + "}");
    answer_list(R"({"tools":[]})");
    ASSERT_EQ(server->state(), State::ready);
    heard();
  }
  std::optional<CallId> ask(CallSink& sink, std::string_view method, bool as_task, std::uint64_t generation) {
    const std::string text = R"({"jsonrpc":"2.0","id":1,"method":")" + std::string(method) + R"("})";
    OutgoingRequest request{
        .text = text, .id = std::string_view(text).substr(text.find("1,"), 1), .progress_token = {}, .edits = {}};
    request.as_task = as_task;
    request.generation = generation;
    return server->call(request, sink);
  }
  // A call that became a task, and is over.
  void make_task() {
    RecordingSink sink;
    const auto id = ask(sink, "tools/call", true, 0);
    heard();
    say(answer(*id));
    EXPECT_TRUE(sink.over);
  }
  std::string note(std::string_view method, std::string_view members) {
    return notification("notifications/" + std::string(method), "{" + std::string(members) + "}");
  }
};

TEST_F(StdioServerTasksTest, it_offers_what_it_declares_at_2025_11_25) {
  for (const auto& [declared, version, tasks, cancels] :
       {std::tuple(kAll, "2025-11-25", true, true), std::tuple(kAll, "2025-06-18", false, false),
        std::tuple(std::string_view(R"({"requests":{"tools":{"call":{}}}})"), "2025-11-25", true, false),
        std::tuple(std::string_view(R"({"list":{},"cancel":{}})"), "2025-11-25", false, false)}) {
    make();
    make_ready_with(declared, version);
    EXPECT_EQ(server->offer()->features.tasks, tasks) << declared << version;
    EXPECT_EQ(server->offer()->features.cancels_tasks, cancels) << declared << version;
  }
}

TEST_F(StdioServerTasksTest, each_process_has_a_number_of_its_own_and_is_not_asked_about_the_tasks_of_another) {
  EXPECT_EQ(server->generation(), 0U);
  make_ready_with(kAll);
  const std::uint64_t first = server->generation();
  RecordingSink sink;
  ASSERT_TRUE(ask(sink, "tasks/get", false, first));
  EXPECT_THAT(heard(), SizeIs(1));
  die();
  RecordingSink starting, later;
  EXPECT_FALSE(ask(starting, "tasks/get", false, first)) << "it would wait for the next process";
  EXPECT_EQ(starting.failure->reason, Reason::task_lost);
  make_ready_with(kAll);
  EXPECT_GT(server->generation(), first);
  EXPECT_FALSE(ask(later, "tasks/get", false, first));
  EXPECT_EQ(later.failure->reason, Reason::task_lost);
  EXPECT_THAT(heard(), IsEmpty());
}

TEST_F(StdioServerTasksTest, what_it_says_of_a_task_reaches_the_observer_also_while_one_call_alone_is_in_flight) {
  make_ready_with(kAll);
  make_task();
  RecordingSink sink;
  ask(sink, "tools/call", false, 0);
  heard();
  say(note("message", R"("level":"error","data":1,)" + std::string(kMeta)));
  say(note("progress", R"("progressToken":77,"progress":1,)" + std::string(kMeta)));
  say(note("progress", R"("progressToken":77,"progress":1)"));
  say(note("tasks/status", R"("taskId":"t1")"));
  EXPECT_THAT(sink.notifications, IsEmpty());
  EXPECT_THAT(observer.stray, ElementsAre(HasSubstr("message"), HasSubstr("progress"), HasSubstr("status")));
}

TEST_F(StdioServerTasksTest, that_has_made_a_task_may_mean_that_and_not_the_only_call) {
  const std::string log = note("message", R"("level":"error","data":1)");
  make_ready_with(kAll);
  RecordingSink before, after, next, own;
  const auto id = ask(before, "tools/call", false, 0);
  heard();
  say(log);
  EXPECT_THAT(before.notifications, SizeIs(1));
  say(answer(*id));
  make_task();
  ask(after, "tools/call", false, 0);
  heard();
  say(log);
  say(R"({"jsonrpc":"2.0","id":5,"method":"roots/list"})");
  EXPECT_THAT(after.notifications, IsEmpty());
  EXPECT_THAT(after.refused, IsEmpty());
  EXPECT_THAT(observer.stray, SizeIs(1));
  die();
  make_ready_with(kAll);
  ask(next, "tools/call", false, 0);
  heard();
  say(log);
  EXPECT_THAT(next.notifications, SizeIs(1)) << "the next process has made none";

  role = {.kind = Role::Kind::session, .instance = 7};
  make();
  start();
  answer_only("initialize", R"({"protocolVersion":"2025-11-25","capabilities":{"tools":{}}})");
  answer_list(R"({"tools":[]})");
  heard();
  make_task();
  ask(own, "tools/call", false, 0);
  heard();
  say(log);
  EXPECT_THAT(own.notifications, SizeIs(1)) << "of one session alone: there is no other";
}

TEST_F(StdioServerTasksTest, a_call_that_waited_for_its_start_has_made_a_task_there) {
  RecordingSink task, call;
  ask(task, "tools/call", true, 0);
  make_ready_with(kAll);
  say(note("message", R"("level":"error","data":1)"));
  EXPECT_THAT(task.notifications, IsEmpty());
  EXPECT_THAT(observer.stray, SizeIs(1));
}

}  // namespace
}  // namespace clawql::engine::upstream
