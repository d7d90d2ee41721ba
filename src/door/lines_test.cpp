#include "door/test_bench.hpp"

namespace clawql::door::test {
namespace {

using base::Reason;
constexpr auto kUnix = Listener::Kind::unix_socket;

TEST(Lines, the_first_byte_decides) {
  for (const auto& [bytes, lines] : std::vector<std::pair<std::string, bool>>{
           {"{\"a\":1}\n", true}, {"[1]\n", true}, {"GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n", false}}) {
    Bench bench;
    FakeClient client = bench.connect(kUnix);
    client.send(bytes);
    bench.settle();
    ASSERT_EQ(bench.engine().seen.size(), 1U) << bytes;
    EXPECT_EQ(bench.engine().last().route, lines ? ipc::Route::lines : ipc::Route::readyz);
    EXPECT_EQ(bench.engine().last().peer.uid, 1000U);
  }
  for (const std::string_view bytes : {" {}", "\n{}", "\"x\"", "1", "\xEF\xBB\xBF{}"}) {
    Bench bench;
    FakeClient client = bench.connect(kUnix);
    const std::string answer = bench.exchange(client, std::string(bytes) + "\r\n\r\n");
    EXPECT_EQ(status_of(answer), 400) << bytes;
    EXPECT_TRUE(client.ended());
  }
}

TEST(Lines, go_both_ways_as_bytes) {
  Bench bench;
  FakeClient client = bench.connect(kUnix);
  client.send("{\"id\":1}\n{\"id\"");
  bench.settle();
  Seen& seen = bench.engine().last();
  EXPECT_EQ(seen.first_body, "{\"id\":1}\n{\"id\"");
  EXPECT_TRUE(seen.has_body);
  seen.head({});
  seen.grant(64 << 10);
  client.send(":2}\n");
  bench.settle();
  EXPECT_EQ(seen.body, "{\"id\":1}\n{\"id\":2}\n");
  seen.data("{\"answer\":1}\n");
  bench.settle();
  EXPECT_EQ(client.read(), "{\"answer\":1}\n");
  EXPECT_FALSE(seen.ended);
}

TEST(Lines, byte_by_byte_is_the_same) {
  Bench bench;
  FakeClient client = bench.connect(kUnix);
  std::string text;
  for (int i = 0; i < 20; ++i) text += "{\"id\":" + std::to_string(i) + "}\n";
  for (const char c : text) {
    client.send(std::string_view(&c, 1));
    bench.settle();
    if (!bench.engine().seen.empty() && bench.engine().last().body.size() == 1) bench.engine().last().grant(1 << 20);
  }
  bench.settle();
  EXPECT_EQ(bench.engine().seen.size(), 1U);
  EXPECT_EQ(bench.engine().last().body, text);
}

TEST(Lines, a_large_line_goes_over_under_credit_and_at_most_64_KiB_wait) {
  Bench bench;
  FakeClient client = bench.connect(kUnix);
  std::string line = "{\"x\":\"" + std::string(3 << 20, 'y') + "\"}\n";
  std::size_t sent = 0;
  const auto push = [&] {
    for (int i = 0; i < 100; ++i) {
      if (sent < line.size()) sent += client.send_some(std::string_view(line).substr(sent));
      bench.settle();
    }
  };
  push();
  Seen& seen = bench.engine().last();
  EXPECT_LE(seen.body.size(), 64U << 10);
  EXPECT_LT(sent, 1U << 20);  // nobody reads for ever without credit
  while (seen.body.size() < line.size()) {
    const std::size_t before = seen.body.size();
    seen.grant(100'000);
    push();
    ASSERT_GT(seen.body.size(), before);
  }
  EXPECT_EQ(seen.body, line);
}

TEST(Lines, a_half_close_is_the_end_of_the_request_and_pending_answers_still_come) {
  Bench bench;
  FakeClient client = bench.connect(kUnix);
  client.send("{\"id\":1}\n");
  client.half_close();
  bench.settle();
  Seen& seen = bench.engine().last();
  EXPECT_TRUE(seen.ended);
  EXPECT_FALSE(seen.cancelled);
  seen.head({});
  seen.data("{\"answer\":1}\n");
  bench.settle();
  EXPECT_EQ(client.read(), "{\"answer\":1}\n");
  EXPECT_FALSE(client.ended());
  seen.end();
  bench.settle();
  client.read();
  EXPECT_TRUE(client.ended());
  EXPECT_EQ(bench.door->clients(), 0U);
}

TEST(Lines, a_half_close_before_credit_came_loses_no_byte) {
  Bench bench;
  FakeClient client = bench.connect(kUnix);
  client.send("{\"id\":1}\n");
  bench.settle();
  client.send("{\"id\":2}\n");
  client.half_close();
  bench.settle();
  Seen& seen = bench.engine().last();
  EXPECT_EQ(seen.body, "{\"id\":1}\n");
  EXPECT_FALSE(seen.ended);
  seen.grant(1000);
  bench.settle();
  EXPECT_EQ(seen.body, "{\"id\":1}\n{\"id\":2}\n");
  EXPECT_TRUE(seen.ended);
}

TEST(Lines, a_client_that_vanishes_is_a_cancel) {
  Bench bench;
  FakeClient client = bench.connect(kUnix);
  client.send("{\"id\":1}\n");
  bench.settle();
  client.vanish();
  bench.settle();
  bench.engine().last().head({});
  bench.engine().last().data("x\n");
  bench.settle();
  EXPECT_TRUE(bench.engine().last().cancelled);
  EXPECT_EQ(bench.door->clients(), 0U);
}

TEST(Lines, end_with_the_engine) {
  Bench bench;
  FakeClient client = bench.connect(kUnix);
  client.send("{\"id\":1}\n");
  bench.settle();
  bench.engine().last().head({});
  bench.engine().last().data("{\"half\":");
  bench.settle();
  bench.engine().die();
  bench.settle();
  client.read();
  EXPECT_TRUE(client.ended());
}

TEST(Lines, that_begin_before_the_engine_is_there_wait_for_it) {
  Bench bench;
  bench.engine().die();
  bench.settle();
  FakeClient client = bench.connect(kUnix);
  client.send("{\"id\":1}\n");
  bench.settle();
  client.send("{\"id\":2}\n");
  bench.settle();
  bench.engines.front() = bench.connect_engine(0);
  bench.settle();
  ASSERT_EQ(bench.engine().seen.size(), 1U);
  EXPECT_EQ(bench.engine().last().first_body, "{\"id\":1}\n{\"id\":2}\n");
  EXPECT_EQ(client.read(), "");
  EXPECT_FALSE(client.ended());
}

TEST(Lines, do_not_wait_for_an_engine_for_ever) {
  Bench bench;
  bench.engine().die();
  bench.settle();
  FakeClient client = bench.connect(kUnix);
  client.send("{\"id\":1}\n");
  bench.pass(base::Milliseconds(12'000));
  client.read();
  EXPECT_TRUE(client.ended());
  EXPECT_EQ(bench.refused(Reason::engine_unavailable), 1U);
}

TEST(Lines, no_timer_runs_on_the_unix_socket_before_the_first_byte_nor_between_lines) {
  Bench bench;
  FakeClient silent = bench.connect(kUnix);
  FakeClient talker = bench.connect(kUnix);
  talker.send("{\"id\":1}\n");
  bench.pass(base::Milliseconds(3'600'000));
  silent.read();
  talker.read();
  EXPECT_FALSE(silent.ended());
  EXPECT_FALSE(talker.ended());
  silent.send("{}\n");
  bench.settle();
  EXPECT_EQ(bench.engine().seen.size(), 2U);
}

TEST(Lines, a_client_without_a_complete_line_makes_room_for_others) {
  Bench bench(small_limits());
  FakeClient begun = bench.connect(kUnix);
  begun.send("{\"id\"");
  std::vector<FakeClient> complete;
  for (int i = 0; i < 3; ++i) {
    complete.push_back(bench.connect(kUnix));
    complete.back().send("{}\n");
  }
  bench.settle();
  FakeClient next = bench.connect(kUnix);
  next.send("{}\n");
  bench.settle();
  begun.read();
  EXPECT_TRUE(begun.ended());
  EXPECT_EQ(bench.engine().seen.size(), 5U);
  EXPECT_TRUE(bench.engine().seen.front()->cancelled);
}

TEST(Lines, are_asked_to_end_when_the_gateway_stops) {
  Bench bench;
  FakeClient client = bench.connect(kUnix);
  client.send("{}\n");
  bench.settle();
  int done = 0;
  bench.door->drain([&] { ++done; });
  bench.settle();
  Seen& seen = bench.engine().last();
  EXPECT_TRUE(seen.ended);
  seen.head({});
  seen.data("{\"last\":1}\n");
  seen.end();
  bench.settle();
  EXPECT_EQ(client.read(), "{\"last\":1}\n");
  client.read();
  EXPECT_TRUE(client.ended());
  client.vanish();
  bench.settle();
  EXPECT_EQ(done, 1);
}

}  // namespace
}  // namespace clawql::door::test
