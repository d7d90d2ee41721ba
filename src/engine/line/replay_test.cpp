#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/line/line_rig.hpp"

namespace clawql::engine::line {
namespace {

using testing::HasSubstr;
using testing::Not;
using namespace testing_support;

std::string log_message(std::string_view text) {
  return R"({"jsonrpc":"2.0","method":"notifications/message","params":{"level":"error","data":")" + std::string(text) +
         R"("}})";
}

struct ReplayTest : testing::Test {
  void SetUp() override {
    server = &rig.serve("one", "", {tool("t")});
    session = rig.initialize();
  }
  DoorStream& resume(const std::string& last) {
    return rig.send({}, {.method = ipc::Method::get, .session = session, .last_event = last});
  }
  // The client's connection ends.
  void hang_up(DoorStream& stream) {
    rig.door->cancel(stream.stream);
    rig.run();
  }
  Rig rig{};
  FakeServer* server = nullptr;
  std::string session;
};

TEST_F(ReplayTest, a_call_that_takes_long_opens_a_stream_that_can_be_resumed) {
  DoorStream& stream = rig.post(call("1", "t"), session);
  EXPECT_EQ(stream.status, 0);
  rig.wait(base::Milliseconds{600});
  EXPECT_EQ(stream.status, 200);
  EXPECT_EQ(stream.type, ipc::ContentType::event_stream);
  EXPECT_THAT(stream.body, HasSubstr("retry: 1000"));
  EXPECT_THAT(stream.body, HasSubstr("id: 1-0"));
  server->answer(0, R"({"content":[]})");
  rig.run();
  EXPECT_TRUE(stream.ended);
  EXPECT_THAT(stream.body, HasSubstr("id: 1-1\n"));
  EXPECT_THAT(stream.body, HasSubstr(R"("id":1)"));
}

TEST_F(ReplayTest, an_answer_in_time_is_json) {
  DoorStream& stream = rig.post(call("1", "t"), session);
  rig.wait(base::Milliseconds{400});
  server->answer(0, "{}");
  rig.run();
  EXPECT_EQ(stream.type, ipc::ContentType::json);
  rig.wait(base::Milliseconds{1'000});
  EXPECT_TRUE(stream.ended);
}

TEST_F(ReplayTest, an_answer_in_time_that_is_taken_slowly_is_json) {
  DoorStream& stream = rig.send(call("1", "t"), {.session = session, .reads = false});
  server->answer(0, R"({"content":[")" + std::string(200'000, 'x') + R"("]})");
  rig.wait(base::Milliseconds{600});
  rig.wait(base::Milliseconds{61'000});
  EXPECT_EQ(stream.type, ipc::ContentType::json);
  EXPECT_FALSE(stream.ended);
  stream.reads = true;
  rig.door->credit(stream.stream, static_cast<std::uint32_t>(stream.body.size()));
  rig.run();
  EXPECT_TRUE(stream.ended);
  EXPECT_EQ(stream.body.size(), stream.length);
}

TEST_F(ReplayTest, what_was_missed_comes_with_the_next_get_and_nothing_else) {
  DoorStream& stream = rig.post(call("1", "t"), session);
  server->notify(0, log_message("first"));
  rig.run();
  EXPECT_THAT(stream.body, HasSubstr("id: 1-1\n"));
  hang_up(stream);
  server->notify(0, log_message("second"));
  server->answer(0, R"({"content":["late"]})");
  rig.run();
  DoorStream& resumed = resume("1-1");
  EXPECT_THAT(resumed.body, Not(HasSubstr("first")));
  EXPECT_THAT(resumed.body, HasSubstr("second"));
  EXPECT_THAT(resumed.body, HasSubstr("late"));
  EXPECT_TRUE(resumed.ended);
  EXPECT_THAT(resume("1-0").body, HasSubstr("first")) << "it may ask again";
}

TEST_F(ReplayTest, a_resumed_stream_goes_on_until_the_answer) {
  DoorStream& stream = rig.post(call("1", "t"), session);
  server->notify(0, log_message("first"));
  rig.run();
  hang_up(stream);
  DoorStream& resumed = resume("1-1");
  EXPECT_EQ(resumed.status, 200);
  EXPECT_FALSE(resumed.ended);
  server->answer(0, R"({"content":["late"]})");
  rig.run();
  EXPECT_THAT(resumed.body, HasSubstr("late"));
  EXPECT_TRUE(resumed.ended);
}

TEST_F(ReplayTest, a_quiet_stream_ends_and_the_client_comes_back_for_the_rest) {
  DoorStream& stream = rig.post(call("1", "t"), session);
  rig.wait(base::Milliseconds{600});
  rig.wait(base::Milliseconds{61'000});
  EXPECT_TRUE(stream.ended);
  EXPECT_THAT(stream.body, Not(HasSubstr("event: message")));
  DoorStream& resumed = resume("1-0");
  server->answer(0, R"({"content":["late"]})");
  rig.run();
  EXPECT_THAT(resumed.body, HasSubstr("late"));
  EXPECT_TRUE(resumed.ended);
}

TEST_F(ReplayTest, a_stream_is_nobody_elses) {
  DoorStream& stream = rig.post(call("1", "t"), session);
  server->notify(0, log_message("secret"));
  rig.run();
  hang_up(stream);
  const std::string other = rig.initialize();
  DoorStream& stolen = rig.send({}, {.method = ipc::Method::get, .session = other, .last_event = "1-0"});
  EXPECT_EQ(stolen.status, 200);  // a stream of its own
  EXPECT_THAT(stolen.body, Not(HasSubstr("secret")));
}

TEST_F(ReplayTest, what_nobody_comes_for_is_forgotten_with_its_bytes) {
  DoorStream& stream = rig.post(call("1", "t"), session);
  server->notify(0, log_message("first"));
  rig.run();
  hang_up(stream);
  server->answer(0, R"({"content":["late"]})");
  rig.run();
  EXPECT_GT(rig.common.buffered_bytes.load(), 0U);
  rig.wait(base::Milliseconds{301'000});
  rig.wait(base::Milliseconds{6'000});
  EXPECT_EQ(rig.common.buffered_bytes.load(), 0U);
  DoorStream& late = resume("1-0");
  EXPECT_THAT(late.body, Not(HasSubstr("late")));
}

TEST_F(ReplayTest, the_end_of_the_session_ends_its_streams) {
  DoorStream& stream = rig.post(call("1", "t"), session);
  server->notify(0, log_message("first"));
  rig.run();
  rig.send({}, {.method = ipc::Method::delete_, .session = session});
  EXPECT_TRUE(stream.ended);
  EXPECT_THAT(stream.body, HasSubstr("cancelled"));
}

TEST_F(ReplayTest, a_client_that_does_not_read_is_cut_off_and_may_come_back) {
  DoorStream& stream = rig.open(call("1", "t"), {.session = session, .reads = false}, true);
  rig.door->end(stream.stream);
  rig.run();
  const std::string large(60'000, 'x');
  for (int i = 0; i < 400 && !stream.reset; ++i) {
    server->notify(0, log_message(large));
    rig.run();
  }
  ASSERT_TRUE(stream.reset.has_value());
  EXPECT_LE(rig.common.buffered_bytes.load(), base::Limits{}.buffered_bytes_session + 200'000U);
  server->answer(0, R"({"content":["late"]})");
  rig.run();
  EXPECT_THAT(resume("1-1").body, HasSubstr(R"("id":1)")) << "the answer, or the error in its place";
}

TEST(ReplayOfLargeAnswers, that_went_out_does_not_stand_in_the_way_of_the_next) {
  base::Limits limits;
  limits.buffered_bytes_session = 5U << 20;
  Rig rig(limits);
  FakeServer& server = rig.serve("one", "", {tool("t")});
  const std::string session = rig.initialize();
  const std::string large = R"({"content":[")" + std::string(3U << 20, 'x') + R"("]})";
  for (std::size_t i = 0; i < 4; ++i) {
    DoorStream& stream = rig.post(call(std::to_string(i), "t"), session);
    server.notify(i, log_message("begun"));
    rig.run();
    server.answer(i, large);
    for (int turn = 0; turn < 400 && !stream.ended; ++turn) rig.run();
    EXPECT_TRUE(stream.ended) << i;
    EXPECT_GT(stream.body.size(), large.size()) << i;
  }
}

}  // namespace
}  // namespace clawql::engine::line
