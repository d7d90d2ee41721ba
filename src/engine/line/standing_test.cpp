#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/line/line_rig.hpp"
#include "engine/line/resumable.hpp"

namespace clawql::engine::line {
namespace {

using testing::HasSubstr;
using testing::Not;
using namespace testing_support;

struct StandingTest : testing::Test {
  void SetUp() override { session = rig.initialize(); }
  DoorStream& resume(const std::string& last) {
    return rig.send({}, {.method = ipc::Method::get, .session = session, .last_event = last});
  }
  void hang_up(DoorStream& stream) {
    rig.door->cancel(stream.stream);
    rig.run();
  }
  // A notification of something that the session subscribed to.
  bool tell(const std::string& text) {
    bool heard = false;
    rig.shard->core().sessions.for_each([&](mcp::Session& one) {
      if (one.id().text() == session) heard = one.tell(R"({"jsonrpc":"2.0","method":")" + text + R"("})");
    });
    rig.run();
    return heard;
  }
  Rig rig{};
  std::string session;
};

TEST_F(StandingTest, what_was_lost_on_the_way_comes_with_the_next_get) {
  DoorStream& stream = rig.get(session);
  EXPECT_EQ(stream.body, "retry: 1000\n\nid: 1-0\ndata: \n\n");
  tell("first");
  tell("second");
  EXPECT_THAT(stream.body, HasSubstr("id: 1-2\n"));
  hang_up(stream);
  DoorStream& resumed = resume("1-1");
  EXPECT_THAT(resumed.body, Not(HasSubstr("first")));
  EXPECT_THAT(resumed.body, HasSubstr("second"));
  tell("third");
  EXPECT_THAT(resumed.body, HasSubstr("id: 1-3\ndata: "));
  EXPECT_FALSE(resumed.ended);
}

TEST_F(StandingTest, what_is_said_while_the_client_is_away_is_kept_for_it) {
  hang_up(rig.get(session));
  EXPECT_TRUE(tell("meanwhile"));
  DoorStream& resumed = resume("1-0");
  EXPECT_THAT(resumed.body, HasSubstr("meanwhile"));
}

TEST_F(StandingTest, a_message_goes_to_one_stream_alone) {
  hang_up(rig.get(session));
  DoorStream& newer = rig.get(session);
  tell("once");
  EXPECT_THAT(newer.body, HasSubstr("once"));
  DoorStream& resumed = resume("1-0");
  EXPECT_EQ(resumed.status, 200);
  EXPECT_THAT(resumed.body, Not(HasSubstr("once")));
  tell("twice");
  EXPECT_THAT(resumed.body, HasSubstr("twice")) << "the one that was opened last";
  EXPECT_THAT(newer.body, Not(HasSubstr("twice")));
}

TEST_F(StandingTest, the_next_connection_of_a_stream_takes_the_place_of_the_one_before) {
  DoorStream& first = rig.get(session);
  for (int i = 1; i < 8; ++i) rig.get(session);
  DoorStream& second = resume("1-0");
  EXPECT_EQ(second.status, 200) << "it is none more";
  EXPECT_TRUE(first.ended);
  EXPECT_FALSE(second.ended);
  hang_up(second);
  rig.get(session);
  EXPECT_EQ(resume("1-0").status, 429) << "it gave its place to another";
}

TEST_F(StandingTest, changes_of_lists_are_announced_once_to_who_comes_back) {
  FakeServer& server = rig.serve("s", "s__", {tool("t")});
  rig.wait(std::chrono::seconds(1));
  hang_up(rig.get(session));
  server.set_tools({tool("t"), tool("u")});
  rig.shard->on_offer_changed(server);
  rig.wait(std::chrono::seconds(1));
  DoorStream& resumed = resume("1-0");
  const std::string changed = "notifications/tools/list_changed";
  ASSERT_THAT(resumed.body, HasSubstr(changed));
  const std::size_t last = resumed.body.rfind("id: ");
  hang_up(resumed);
  const std::string id = resumed.body.substr(last + 4, resumed.body.find('\n', last) - last - 4);
  EXPECT_THAT(resume(id).body, Not(HasSubstr(changed)));
}

TEST_F(StandingTest, what_nobody_comes_for_is_bounded_and_forgotten) {
  hang_up(rig.get(session));
  const std::string large(10'000, 'x');
  std::size_t kept = 0;
  while (kept < 100 && tell(large)) ++kept;
  EXPECT_GT(kept, 20U);
  EXPECT_LE(rig.common.buffered_bytes.load(), Resumable::kHistory + 1'000U);
  rig.wait(base::Milliseconds{301'000});
  rig.wait(base::Milliseconds{6'000});
  EXPECT_EQ(rig.common.buffered_bytes.load(), 0U);
  EXPECT_FALSE(tell("late"));
  EXPECT_THAT(resume("1-0").body, HasSubstr("id: 2-0")) << "a stream of its own";
}

TEST_F(StandingTest, what_went_out_is_bounded_and_forgotten) {
  DoorStream& stream = rig.get(session);
  const std::string large(10'000, 'x');
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(tell(large));
  EXPECT_LE(rig.common.buffered_bytes.load(), Resumable::kHistory + 11'000U);
  rig.wait(base::Milliseconds{301'000});
  rig.wait(base::Milliseconds{6'000});
  EXPECT_EQ(rig.common.buffered_bytes.load(), 0U);
  tell("on");
  EXPECT_THAT(stream.body, HasSubstr("id: 1-101\n"));
}

TEST_F(StandingTest, a_client_that_does_not_read_is_cut_off_and_may_come_back) {
  DoorStream& stream = rig.open({}, {.method = ipc::Method::get, .session = session, .reads = false}, true);
  rig.door->end(stream.stream);
  rig.run();
  const std::string large(60'000, 'x');
  std::size_t sent = 0;
  for (; sent < 400 && !stream.reset; ++sent) tell(large);
  ASSERT_TRUE(stream.reset.has_value());
  EXPECT_LE(rig.common.buffered_bytes.load(), base::Limits{}.buffered_bytes_session + 200'000U);
  const std::string before_last = "1-" + std::to_string(sent - 1);
  EXPECT_THAT(resume(before_last).body, HasSubstr("id: 1-" + std::to_string(sent) + "\n"));
}

TEST_F(StandingTest, the_end_of_the_session_ends_its_streams_and_forgets_those_that_rest) {
  hang_up(rig.get(session));
  tell("meanwhile");
  DoorStream& stream = rig.get(session);
  rig.send({}, {.method = ipc::Method::delete_, .session = session});
  EXPECT_TRUE(stream.ended);
  EXPECT_EQ(rig.common.buffered_bytes.load(), 0U);
  EXPECT_EQ(resume("1-0").status, 404);
}

TEST_F(StandingTest, a_session_of_an_older_revision_gets_ids_and_no_event_without_data) {
  session = rig.initialize("2025-06-18");
  DoorStream& stream = rig.get(session);
  EXPECT_EQ(stream.body, "");
  tell("first");
  EXPECT_THAT(stream.body, HasSubstr("id: 1-1\n"));
  hang_up(stream);
  EXPECT_THAT(resume("1-0").body, HasSubstr("first"));
}

}  // namespace
}  // namespace clawql::engine::line
