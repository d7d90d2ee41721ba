#include "door/handover.hpp"

#include "door/test_bench.hpp"
#include "ipc/shards.hpp"

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

TEST(Handover, a_message_goes_to_the_shard_of_the_session_in_its_query) {
  Bench bench({}, {}, std::nullopt, 2);
  const std::string id(64, 'a');
  for (const std::string shard : {"00", "01", "01", "02", "zz"}) {
    FakeClient one = bench.connect();
    // A session field names nothing there.
    one.send("POST /message?sessionId=" + shard + id +
             " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 2\r\n"
             "Mcp-Session-Id: 01bb\r\n\r\n{}");
    bench.settle();
  }
  EXPECT_EQ(bench.engines[0]->seen.size(), 3U);
  ASSERT_EQ(bench.engines[1]->seen.size(), 2U);
  EXPECT_EQ(bench.engines[1]->last().field(ipc::RequestField::session_id), "01" + id);
  std::vector<FakeClient> streams;
  for (int i = 0; i < 4; ++i) {
    streams.push_back(bench.connect());
    streams.back().send(get("/sse"));
    bench.settle();
  }
  EXPECT_EQ(bench.engines[1]->seen.size(), 4U) << "streams go round";
}

TEST(Handover, a_call_without_session_goes_to_the_owner_of_the_server_that_its_name_names) {
  Bench bench({}, {}, std::nullopt, 2);
  const auto counted = [&](std::string_view name) {
    const std::size_t before = bench.engines[1]->seen.size();
    for (int i = 0; i < 4; ++i) {
      FakeClient one = bench.connect();
      one.send(post("{}", "Mcp-Name: " + std::string(name) + "\r\n"));
      bench.settle();
    }
    return bench.engines[1]->seen.size() - before;
  };
  // As the engine deals servers to shards.
  const auto owner = [](std::string_view server) { return ipc::shard_of(server, 2) == 1 ? 4U : 0U; };
  for (const std::string server : {"files", "a", "b", "c", "git-hub"})
    EXPECT_EQ(counted(server + "__read"), owner(server)) << server;
  EXPECT_EQ(counted("read"), 2U);
  EXPECT_EQ(counted("=?base64?ZmlsZXNfX3JlYWQ=?="), 2U);
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
