// Clients that do not read, doors that die, the end.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/line/line_checks.hpp"

namespace clawql::engine::line {
namespace {

using base::Reason;
using testing_support::call;
using testing_support::DoorStream;
using testing_support::FakeServer;
using testing_support::kPing;
using testing_support::Rig;
using testing_support::tool;

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

}  // namespace
}  // namespace clawql::engine::line
