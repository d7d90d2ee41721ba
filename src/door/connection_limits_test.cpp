// Connections against time, room and clients that do not read.
#include "door/test_bench.hpp"

namespace clawql::door::test {
namespace {

using base::Reason;

// ---- time

TEST(Connection, a_head_that_takes_too_long_is_408) {
  Bench bench;
  FakeClient client = bench.connect();
  client.send("POST /mcp HTT");
  bench.settle();
  bench.pass(base::Milliseconds(9000));
  client.send("P/1.1\r\n");
  bench.settle();
  EXPECT_EQ(client.read(), "");
  bench.pass(base::Milliseconds(2000));
  const std::string answer = client.read();
  EXPECT_EQ(status_of(answer), 408);
  EXPECT_EQ(body_of(answer), base::refusal_body(Reason::http_header_timeout));
  EXPECT_TRUE(client.ended());
  EXPECT_EQ(bench.refused(Reason::http_header_timeout), 1U);
  bench.pass(base::Milliseconds(3000));
  EXPECT_EQ(bench.door->clients(), 0U);
}

TEST(Connection, one_that_never_speaks_is_closed_without_a_word) {
  Bench bench;
  FakeClient client = bench.connect();
  bench.pass(base::Milliseconds(13'000));
  EXPECT_EQ(client.read(), "");
  EXPECT_TRUE(client.ended());
  EXPECT_EQ(bench.door->clients(), 0U);
}

TEST(Connection, an_idle_one_is_closed_after_its_time) {
  Bench bench;
  FakeClient client = bench.connect();
  EXPECT_EQ(status_of(bench.exchange(client, get("/healthz"))), 200);
  bench.pass(base::Milliseconds(70'000));
  client.read();
  EXPECT_FALSE(client.ended());
  bench.pass(base::Milliseconds(8'000));
  client.read();
  EXPECT_TRUE(client.ended());
}

TEST(Connection, a_body_may_take_long_only_while_it_keeps_its_pace) {
  Bench bench;
  FakeClient fast = bench.connect();
  FakeClient slow = bench.connect();
  const std::string request = post(std::string(60'000, ' '));
  const std::size_t head = request.find("\r\n\r\n") + 4;
  fast.send(request.substr(0, head));
  slow.send(request.substr(0, head));
  bench.settle();
  std::string answer;
  for (int second = 0; second < 45; ++second) {
    fast.send(request.substr(head + static_cast<std::size_t>(second) * 1200, 1200));
    slow.send(request.substr(head + static_cast<std::size_t>(second) * 100, 100));
    bench.pass(base::Milliseconds(1000));
    answer += slow.read();
  }
  EXPECT_EQ(status_of(answer), 408);
  EXPECT_EQ(body_of(answer), base::refusal_body(Reason::http_body_timeout));
  EXPECT_TRUE(slow.ended());
  EXPECT_EQ(fast.read(), "");
  EXPECT_FALSE(fast.ended());
  EXPECT_EQ(bench.engine().seen.size(), 0U);  // neither has cost the engine anything
}

TEST(Connection, a_large_body_must_keep_its_pace_under_credit_too) {
  Bench bench;
  FakeClient client = bench.connect();
  const std::string request = post(std::string(400'000, ' '));
  std::size_t sent = 0;
  for (int i = 0; i < 5; ++i) {
    sent += client.send_some(std::string_view(request).substr(sent, 20'000));
    bench.settle();
  }
  ASSERT_EQ(bench.engine().seen.size(), 1U);
  bench.engine().last().grant(1 << 20);
  bench.settle();
  std::string answer;
  for (int second = 0; second < 45; ++second) {
    sent += client.send_some(std::string_view(request).substr(sent, 10));
    bench.pass(base::Milliseconds(1000));
    answer += client.read();
  }
  EXPECT_EQ(status_of(answer), 408);
  EXPECT_EQ(body_of(answer), base::refusal_body(Reason::http_body_timeout));
  EXPECT_TRUE(client.ended());
  EXPECT_TRUE(bench.engine().last().cancelled);
}

TEST(Connection, time_does_not_run_against_a_client_while_the_engine_takes_nothing) {
  Bench bench;
  FakeClient client = bench.connect();
  const std::string request = post(std::string(400'000, ' '));
  std::size_t sent = 0;
  for (int i = 0; i < 20; ++i) {
    sent += client.send_some(std::string_view(request).substr(sent));
    bench.settle();
  }
  ASSERT_EQ(bench.engine().seen.size(), 1U);
  bench.pass(base::Milliseconds(200'000));
  EXPECT_EQ(client.read(), "");
  bench.engine().last().grant(1 << 20);
  for (int i = 0; i < 20; ++i) {
    if (sent < request.size()) sent += client.send_some(std::string_view(request).substr(sent));
    bench.settle();
  }
  EXPECT_EQ(bench.engine().last().body.size(), 400'000U);
  EXPECT_TRUE(bench.engine().last().ended);
}

// ---- room in the channel

// An engine that does not read yet: its end of the channel is open, and the window fills.
struct DeafEngine {
  explicit DeafEngine(Bench& bench_) : bench(bench_) {
    auto pair = ipc::make_channel_pair();
    EXPECT_TRUE(pair.has_value());
    bench.door->attach(0, std::move(pair->first));
    end = std::move(pair->second);
    bench.engine().die();
    bench.settle();
  }
  void listen() {
    bench.engines.front() = std::make_unique<FakeEngine>(bench.loop, std::move(end));
    bench.settle();
  }
  Bench& bench;
  os::Fd end;
};

TEST(Connection, waits_while_the_channel_has_no_room_and_goes_on_in_turn) {
  Bench bench;
  DeafEngine deaf(bench);
  std::vector<FakeClient> clients;
  for (int i = 0; i < 100; ++i) {
    clients.push_back(bench.connect());
    const std::string request = post("[" + std::to_string(i) + std::string(60'000, ' ') + "]");
    // Half of them in two reads, so that head and body wait in both ways.
    clients.back().send(request.substr(0, i % 2 == 0 ? request.size() : 5'000));
    bench.settle();
    if (i % 2 != 0) clients.back().send(request.substr(5'000));
    bench.settle();
  }
  deaf.listen();
  ASSERT_EQ(bench.engine().seen.size(), 100U);
  for (std::size_t i = 0; i < 100; ++i) {
    EXPECT_TRUE(bench.engine().seen[i]->body.starts_with("[" + std::to_string(i) + " ")) << i;
    EXPECT_TRUE(bench.engine().seen[i]->ended);
    bench.engine().seen[i]->answer_json(std::to_string(i));
  }
  bench.settle();
  for (std::size_t i = 0; i < 100; ++i) EXPECT_EQ(body_of(clients[i].read()), std::to_string(i));
}

TEST(Connection, that_waits_too_long_for_room_is_503_and_one_whose_engine_dies_meanwhile_too) {
  Bench bench;
  DeafEngine deaf(bench);
  std::vector<FakeClient> clients;
  for (int i = 0; i < 80; ++i) {
    clients.push_back(bench.connect());
    clients.back().send(post(std::string(60'000, ' ')));
    bench.settle();
  }
  bench.pass(base::Milliseconds(11'000));
  const std::string late = clients.back().read();
  EXPECT_EQ(status_of(late), 503);
  EXPECT_EQ(body_of(late), base::refusal_body(Reason::overloaded));
  EXPECT_EQ(clients.front().read(), "");
  FakeClient next = bench.connect();
  next.send(post("{}"));
  bench.settle();
  EXPECT_EQ(next.read(), "");
  deaf.end.reset();
  bench.settle();
  EXPECT_EQ(body_of(next.read()), base::refusal_body(Reason::engine_unavailable));
  EXPECT_EQ(body_of(clients.front().read()), base::refusal_body(Reason::engine_lost));
}

TEST(Connection, a_client_that_leaves_the_queue_for_room_is_forgotten) {
  Bench bench;
  DeafEngine deaf(bench);
  std::vector<FakeClient> clients;
  for (int i = 0; i < 80; ++i) {
    clients.push_back(bench.connect());
    clients.back().send(post(std::string(60'000, ' ')));
    bench.settle();
  }
  clients.clear();
  bench.pass(base::Milliseconds(11'000));
  deaf.listen();
  bench.settle();
  EXPECT_LT(bench.engine().seen.size(), 80U);
}

// ---- slow readers

TEST(Connection, credit_returns_when_the_client_took_the_bytes) {
  Bench bench;
  FakeClient client = bench.connect();
  client.send(post("{}"));
  bench.settle();
  Seen& seen = bench.engine().last();
  seen.head({200, ipc::ContentType::event_stream, std::nullopt, {}});
  const std::string event = "data: " + std::string(1000, 'x') + "\n\n";
  for (int i = 0; i < 2000; ++i) seen.data(event);
  bench.settle();
  EXPECT_GT(seen.channel->buffered(seen.stream), 1'000'000U);  // the client reads nothing yet
  std::string got;
  for (int i = 0; i < 1000; ++i) {
    got += client.read();
    bench.settle();
  }
  EXPECT_EQ(seen.channel->buffered(seen.stream), 0U);
  seen.end();
  bench.settle();
  got += client.read();
  EXPECT_TRUE(got.ends_with("0\r\n\r\n"));
}

TEST(Connection, one_that_takes_nothing_of_its_answer_is_disconnected_after_its_time) {
  Bench bench;
  FakeClient client = bench.connect();
  client.send(post("{}"));
  bench.settle();
  bench.engine().last().head({200, ipc::ContentType::event_stream, std::nullopt, {}});
  bench.engine().last().data(std::string(2'000'000, 'x'));
  bench.pass(base::Milliseconds(58'000));
  EXPECT_EQ(bench.door->clients(), 1U);
  EXPECT_FALSE(bench.engine().last().cancelled);
  bench.pass(base::Milliseconds(3'000));
  EXPECT_EQ(bench.door->clients(), 0U);
  EXPECT_TRUE(bench.engine().last().cancelled);
  EXPECT_EQ(bench.refused(Reason::reads_too_slowly), 1U);
  client.read();
  EXPECT_TRUE(client.ended());
}

TEST(Connection, one_that_takes_some_of_its_answer_now_and_then_gets_all_of_it) {
  Bench bench;
  FakeClient client = bench.connect();
  client.send(post("{}", "Connection: close\r\n"));
  bench.settle();
  bench.engine().last().answer_json(std::string(2'000'000, 'x'));
  std::string got;
  for (int i = 0; i < 100 && !client.ended(); ++i) {
    bench.pass(base::Milliseconds(50'000));
    got += client.read();
  }
  EXPECT_EQ(body_of(got).size(), 2'000'000U);
  EXPECT_EQ(bench.refused(Reason::reads_too_slowly), 0U);
}

TEST(Connection, the_last_answer_waits_no_longer_for_its_client) {
  Bench bench;
  FakeClient client = bench.connect();
  client.send(post("{}", "Connection: close\r\n"));
  bench.settle();
  bench.engine().last().answer_json(std::string(250'000, 'x'));
  bench.pass(base::Milliseconds(58'000));
  EXPECT_EQ(bench.door->clients(), 1U);
  bench.pass(base::Milliseconds(3'000));
  EXPECT_EQ(bench.door->clients(), 0U);
}

TEST(Connection, looks_at_no_further_request_of_a_client_that_does_not_take_its_answers) {
  Bench bench;
  FakeClient client = bench.connect();
  std::string flood;
  for (int i = 0; i < 1000; ++i) flood += get("/nothing");
  std::size_t sent = 0;
  std::size_t refused_before = 1;
  while (bench.refused(Reason::route_unknown) != refused_before) {
    refused_before = bench.refused(Reason::route_unknown);
    for (int i = 0; i < 10; ++i) {
      sent += client.send_some(std::string_view(flood).substr(sent % flood.size()));
      bench.settle();
    }
  }
  EXPECT_LT(refused_before, 10'000U);
  std::uint64_t answers = 0;
  std::string got;
  for (std::string piece = client.read(); !piece.empty(); piece = client.read()) {
    got += piece;
    bench.settle();
  }
  for (std::size_t at = got.find("HTTP/1.1 404"); at != std::string::npos; at = got.find("HTTP/1.1 404", at + 1))
    ++answers;
  EXPECT_EQ(answers, bench.refused(Reason::route_unknown));
  EXPECT_EQ(answers, sent / get("/nothing").size());
}

TEST(Connection, requests_that_wait_behind_a_stream_of_events_count_as_held_bytes) {
  base::Limits limits;
  limits.connections = limits.connections_per_peer = 5000;
  Bench bench(limits);
  const std::string waiting(64U << 10, 'x');
  std::vector<FakeClient> clients;
  for (std::size_t i = 0; i < kMaxHeldBytes / waiting.size() + 100; ++i) {
    clients.push_back(bench.connect());
    clients.back().send(get("/mcp"));
    bench.settle();
    clients.back().send(waiting);
    bench.settle();
  }
  EXPECT_GT(bench.refused(Reason::overloaded), 0U);
}

}  // namespace
}  // namespace clawql::door::test
