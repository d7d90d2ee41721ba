#include "door/handover.hpp"

#include "door/test_bench.hpp"

namespace clawql::door::test {
namespace {

TEST(Handover, the_first_two_hex_digits_of_a_session_id_are_its_shard) {
  EXPECT_EQ(shard_of_session("00abc"), 0U);
  EXPECT_EQ(shard_of_session("01"), 1U);
  EXPECT_EQ(shard_of_session("ff0"), 255U);
  for (const auto* garbage : {"", "0", "FF", "g0", "0x", " 1", "-1"})
    EXPECT_EQ(shard_of_session(garbage), std::nullopt) << garbage;
}

TEST(Handover, a_session_goes_to_its_shard_and_garbage_to_the_first) {
  Bench bench({}, {}, std::nullopt, 2);
  FakeClient client = bench.connect();
  const auto shard_of = [&](std::string_view session) {
    const std::size_t before = bench.engines[1]->seen.size();
    FakeClient one = bench.connect();
    one.send(post("{}", "Mcp-Session-Id: " + std::string(session) + "\r\n"));
    bench.settle();
    return bench.engines[1]->seen.size() > before ? 1 : 0;
  };
  EXPECT_EQ(shard_of("01abc"), 1);
  EXPECT_EQ(shard_of("00abc"), 0);
  EXPECT_EQ(shard_of("02abc"), 0);
  EXPECT_EQ(shard_of("zz"), 0);
  EXPECT_EQ(bench.engines[0]->seen.size(), 3U);
}

TEST(Handover, what_has_no_session_goes_round_and_what_exists_once_to_the_first) {
  Bench bench({}, {}, std::nullopt, 2);
  std::vector<FakeClient> clients;
  for (int i = 0; i < 4; ++i) {
    clients.push_back(bench.connect());
    clients.back().send(post("{}"));
    bench.settle();
  }
  EXPECT_EQ(bench.engines[0]->seen.size(), 2U);
  EXPECT_EQ(bench.engines[1]->seen.size(), 2U);
  for (int i = 0; i < 3; ++i) {
    clients.push_back(bench.connect());
    clients.back().send(get("/metrics"));
    bench.settle();
  }
  EXPECT_EQ(bench.engines[0]->seen.size(), 5U);
}

TEST(Handover, a_shard_that_is_gone_fails_its_own_sessions_alone) {
  Bench bench({}, {}, std::nullopt, 2);
  bench.engines[1]->die();
  bench.settle();
  FakeClient lost = bench.connect();
  EXPECT_EQ(status_of(bench.exchange(lost, post("{}", "Mcp-Session-Id: 01a\r\n"))), 503);
  FakeClient served = bench.connect();
  served.send(post("{}", "Mcp-Session-Id: 00a\r\n"));
  bench.settle();
  EXPECT_EQ(bench.engines[0]->seen.size(), 1U);
}

}  // namespace
}  // namespace clawql::door::test
