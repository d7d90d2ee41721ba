
#include "door/test_bench.hpp"

namespace clawql::door::test {
namespace {

using base::Reason;

TEST(Connection, a_post_goes_over_whole_and_its_answer_comes_back) {
  Bench bench;
  FakeClient client = bench.connect();
  client.send(post("{\"x\":1}", "Mcp-Session-Id: 00abc\r\nMCP-Protocol-Version: 2025-11-25\r\n"));
  bench.settle();
  ASSERT_EQ(bench.engine().seen.size(), 1U);
  Seen& seen = bench.engine().last();
  EXPECT_EQ(seen.route, ipc::Route::mcp);
  EXPECT_EQ(seen.method, ipc::Method::post);
  EXPECT_EQ(seen.first_body, "{\"x\":1}");
  EXPECT_TRUE(seen.ended);
  EXPECT_TRUE(seen.accepts_json && seen.accepts_event_stream);
  EXPECT_EQ(seen.field(ipc::RequestField::session_id), "00abc");
  EXPECT_EQ(seen.field(ipc::RequestField::protocol_version), "2025-11-25");
  EXPECT_EQ(ipc::describe(seen.peer), "127.0.0.1:5555");
  seen.head({200, ipc::ContentType::json, 2, {{ipc::ResponseField::session_id, "00ff"}}});
  seen.data("{}");
  seen.end();
  bench.settle();
  const std::string answer = client.read();
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 200 OK\r\n")) << answer;
  EXPECT_TRUE(has(answer, "Content-Type: application/json\r\n"));
  EXPECT_TRUE(has(answer, "Content-Length: 2\r\n"));
  EXPECT_TRUE(has(answer, "Mcp-Session-Id: 00ff\r\n"));
  EXPECT_TRUE(has(answer, "\r\nDate: "));
  EXPECT_FALSE(has(answer, "Access-Control"));
  EXPECT_EQ(body_of(answer), "{}");
  EXPECT_FALSE(client.ended());
}

TEST(Connection, is_kept_alive_for_the_next_request_and_judges_that_again) {
  Bench bench;
  FakeClient client = bench.connect();
  for (int i = 0; i < 3; ++i) {
    client.send(post("{}"));
    bench.settle();
    bench.engine().last().answer_json("[" + std::to_string(i) + "]");
    bench.settle();
    EXPECT_EQ(body_of(client.read()), "[" + std::to_string(i) + "]");
  }
  const std::string bad = bench.exchange(client, "GET /healthz HTTP/1.1\r\nHost: evil.example\r\n\r\n");
  EXPECT_EQ(status_of(bad), 403);
  EXPECT_TRUE(client.ended());
  EXPECT_EQ(bench.engine().seen.size(), 3U);
}

TEST(Connection, takes_a_request_split_at_any_byte) {
  const std::string request = post(R"({"jsonrpc":"2.0","id":1,"method":"ping"})", "Mcp-Session-Id: 00cafe\r\n");
  for (std::size_t cut = 1; cut < request.size(); ++cut) {
    Bench bench;
    FakeClient client = bench.connect();
    client.send(request.substr(0, cut));
    bench.settle();
    ASSERT_EQ(bench.engine().seen.size(), 0U) << cut;
    client.send(request.substr(cut));
    bench.settle();
    ASSERT_EQ(bench.engine().seen.size(), 1U) << cut;
    Seen& seen = bench.engine().last();
    EXPECT_EQ(seen.first_body, R"({"jsonrpc":"2.0","id":1,"method":"ping"})") << cut;
    EXPECT_EQ(seen.field(ipc::RequestField::session_id), "00cafe") << cut;
    EXPECT_TRUE(seen.ended) << cut;
  }
}

TEST(Connection, takes_a_request_byte_by_byte) {
  Bench bench;
  FakeClient client = bench.connect();
  for (const char c : post("{}", "Mcp-Session-Id: 00cafe\r\n")) {
    client.send(std::string_view(&c, 1));
    bench.settle();
  }
  ASSERT_EQ(bench.engine().seen.size(), 1U);
  EXPECT_EQ(bench.engine().last().body, "{}");
  EXPECT_EQ(bench.engine().last().field(ipc::RequestField::session_id), "00cafe");
}

TEST(Connection, takes_chunks_split_at_any_byte) {
  const std::string request =
      "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nAccept: */*\r\n"
      "Transfer-Encoding: chunked\r\n\r\n3\r\n[1,\r\n2\r\n2]\r\n0\r\n\r\n";
  for (std::size_t cut = 1; cut <= request.size(); ++cut) {
    Bench bench;
    FakeClient client = bench.connect();
    client.send(request.substr(0, cut));
    bench.settle();
    client.send(request.substr(cut));
    bench.settle();
    ASSERT_EQ(bench.engine().seen.size(), 1U) << cut;
    EXPECT_EQ(bench.engine().last().first_body, "[1,2]") << cut;
    EXPECT_TRUE(bench.engine().last().ended) << cut;
  }
}

TEST(Connection, answers_pipelined_requests_one_after_the_other) {
  Bench bench;
  FakeClient client = bench.connect();
  client.send(post("[1]") + post("[2]") + get("/healthz"));
  bench.settle();
  ASSERT_EQ(bench.engine().seen.size(), 1U);
  bench.engine().last().answer_json("\"a\"");
  bench.settle();
  ASSERT_EQ(bench.engine().seen.size(), 2U);
  EXPECT_EQ(bench.engine().last().first_body, "[2]");
  EXPECT_EQ(body_of(client.read()), "\"a\"");
  bench.engine().last().answer_json("\"b\"");
  bench.settle();
  const std::string rest = client.read();
  EXPECT_TRUE(has(rest, "\"b\""));
  EXPECT_TRUE(has(rest, "\"status\":\"ok\""));
}

TEST(Connection, stops_reading_when_more_than_16_KiB_wait_behind_a_request) {
  Bench bench;
  FakeClient client = bench.connect();
  client.send(post("[1]"));
  bench.settle();
  const std::string flood(1 << 20, 'x');
  std::size_t sent = 0;
  for (int i = 0; i < 64; ++i) {
    sent += client.send_some(std::string_view(flood).substr(0, 16 << 10));
    bench.settle();
  }
  // One read of at most 64 KiB, and what the kernel keeps for itself.
  EXPECT_LT(sent, 600U << 10);
}

TEST(Connection, an_answer_of_unknown_length_comes_in_chunks) {
  Bench bench;
  FakeClient client = bench.connect();
  client.send(post("{}"));
  bench.settle();
  Seen& seen = bench.engine().last();
  seen.head({200, ipc::ContentType::event_stream, std::nullopt, {}});
  seen.data("data: 1\n\n");
  bench.settle();
  const std::string first = client.read();
  EXPECT_TRUE(has(first, "Transfer-Encoding: chunked\r\n"));
  EXPECT_TRUE(has(first, "Content-Type: text/event-stream\r\n"));
  EXPECT_TRUE(has(first, "\r\n\r\n9\r\ndata: 1\n\n\r\n"));
  seen.data("data: 2\n\n");
  seen.end();
  bench.settle();
  EXPECT_EQ(client.read(), "9\r\ndata: 2\n\n\r\n0\r\n\r\n");
  EXPECT_FALSE(client.ended());
}

TEST(Connection, accepted_has_an_empty_body_and_no_content_has_none) {
  Bench bench;
  FakeClient client = bench.connect();
  client.send(post("{}"));
  bench.settle();
  bench.engine().last().head({202, ipc::ContentType::none, std::nullopt, {}});
  bench.engine().last().end();
  bench.settle();
  const std::string answer = client.read();
  EXPECT_EQ(status_of(answer), 202);
  EXPECT_TRUE(has(answer, "Content-Length: 0\r\n"));
  EXPECT_EQ(body_of(answer), "");
  client.send("DELETE /mcp HTTP/1.1\r\nHost: localhost\r\nMcp-Session-Id: 00\r\n\r\n");
  bench.settle();
  EXPECT_EQ(bench.engine().last().method, ipc::Method::delete_);
  bench.engine().last().head({204, ipc::ContentType::none, std::nullopt, {}});
  bench.engine().last().end();
  bench.settle();
  const std::string empty = client.read();
  EXPECT_EQ(status_of(empty), 204);
  EXPECT_FALSE(has(empty, "Content-Length") || has(empty, "Transfer-Encoding"));
}

TEST(Connection, sends_more_of_a_body_than_64_KiB_only_under_credit) {
  Bench bench;
  FakeClient client = bench.connect();
  std::string body;
  for (int i = 0; body.size() < (300U << 10); ++i) body += std::to_string(i) + ' ';
  const std::string request = post(body);
  std::size_t sent = 0;
  const auto push = [&] {
    for (int i = 0; i < 30; ++i) {
      if (sent < request.size()) sent += client.send_some(std::string_view(request).substr(sent));
      bench.settle();
    }
  };
  push();
  ASSERT_EQ(bench.engine().seen.size(), 1U);
  Seen& seen = bench.engine().last();
  EXPECT_EQ(seen.body.size(), 64U << 10);
  EXPECT_FALSE(seen.ended);
  seen.grant(1000);
  push();
  EXPECT_EQ(seen.body.size(), (64U << 10) + 1000);
  seen.grant(1U << 20);
  push();
  EXPECT_EQ(seen.body, body);
  EXPECT_TRUE(seen.ended);
  seen.answer_json("1");
  bench.settle();
  EXPECT_EQ(body_of(client.read()), "1");
}

TEST(Connection, continue_is_sent_when_the_engine_wants_the_body) {
  Bench bench;
  FakeClient client = bench.connect();
  const std::string request = post("{\"a\":2}", "Expect: 100-continue\r\n");
  client.send(request.substr(0, request.size() - 7));
  bench.settle();
  ASSERT_EQ(bench.engine().seen.size(), 1U);
  EXPECT_EQ(client.read(), "");
  bench.engine().last().grant(64 << 10);
  bench.settle();
  EXPECT_EQ(client.read(), "HTTP/1.1 100 Continue\r\n\r\n");
  client.send("{\"a\":2}");
  bench.settle();
  EXPECT_EQ(bench.engine().last().body, "{\"a\":2}");
  EXPECT_TRUE(bench.engine().last().ended);
  bench.engine().last().answer_json("3");
  bench.settle();
  EXPECT_EQ(body_of(client.read()), "3");
  EXPECT_FALSE(client.ended());
}

TEST(Connection, an_answer_instead_of_continue_ends_the_connection) {
  Bench bench;
  FakeClient client = bench.connect();
  client.send(post(std::string(100, ' '), "Expect: 100-continue\r\n").substr(0, 200));
  bench.settle();
  ASSERT_EQ(bench.engine().seen.size(), 1U);
  bench.engine().last().head({404, ipc::ContentType::json, 2, {}});
  bench.engine().last().data("{}");
  bench.engine().last().end();
  bench.settle();
  const std::string answer = client.read();
  EXPECT_EQ(status_of(answer), 404);
  EXPECT_TRUE(has(answer, "Connection: close\r\n"));
  EXPECT_TRUE(client.ended());
}

TEST(Connection, a_client_that_vanishes_is_a_cancel_at_once) {
  for (const bool streaming : {false, true}) {
    Bench bench;
    FakeClient client = bench.connect();
    client.send(post("{}"));
    bench.settle();
    if (streaming) bench.engine().last().head({200, ipc::ContentType::event_stream, std::nullopt, {}});
    client.vanish();
    bench.settle();
    EXPECT_TRUE(bench.engine().last().cancelled);
    EXPECT_EQ(bench.door->clients(), 0U);
    EXPECT_EQ(bench.door->admission().in_flight(), 0U);
  }
}

TEST(Connection, the_engine_hears_of_a_client_that_half_closes_while_its_answer_is_awaited_or_streamed) {
  for (const bool streaming : {false, true}) {
    Bench bench;
    FakeClient client = bench.connect();
    client.send(post("{}"));
    bench.settle();
    if (streaming) bench.engine().last().head({200, ipc::ContentType::event_stream, std::nullopt, {}});
    bench.settle();
    EXPECT_EQ(bench.engine().last().half_closes, 0);
    client.half_close();
    bench.settle();
    EXPECT_EQ(bench.engine().last().half_closes, 1);
    EXPECT_FALSE(bench.engine().last().cancelled);
  }
}

// It waits because more than enough of this client's requests wait: its end stands behind them, unread.
TEST(Connection, the_engine_hears_of_a_half_close_also_while_the_door_reads_nothing) {
  Bench bench;
  FakeClient client = bench.connect();
  client.send(post("{}"));
  bench.settle();
  for (int i = 0; i < 40; ++i) {
    client.send_some(std::string(16 << 10, 'x'));
    bench.settle();
  }
  client.half_close();
  bench.settle();
  ASSERT_EQ(bench.engine().seen.size(), 1U);
  EXPECT_EQ(bench.engine().last().half_closes, 1);
}

TEST(Connection, a_half_close_that_came_with_the_request_is_told_after_it) {
  Bench bench;
  FakeClient client = bench.connect();
  client.send(post("{}"));
  client.half_close();
  bench.settle();
  ASSERT_EQ(bench.engine().seen.size(), 1U);
  EXPECT_TRUE(bench.engine().last().ended);
  EXPECT_EQ(bench.engine().last().half_closes, 1);
}

TEST(Connection, of_a_client_that_half_closed_in_the_middle_of_an_answer_ends_with_it) {
  Bench bench;
  FakeClient client = bench.connect();
  client.send(post("{}"));
  bench.settle();
  bench.engine().last().head({200, ipc::ContentType::event_stream, std::nullopt, {}});
  bench.settle();
  client.half_close();
  bench.settle();
  bench.engine().last().data("data: 1\n\n");
  bench.engine().last().end();
  bench.settle();
  EXPECT_TRUE(client.read().ends_with("data: 1\n\n\r\n0\r\n\r\n"));
  EXPECT_TRUE(client.ended());
  EXPECT_EQ(bench.door->clients(), 0U);
}

TEST(Connection, accepted_may_carry_a_text) {
  Bench bench;
  FakeClient client = bench.connect();
  client.send(post("{}"));
  bench.settle();
  bench.engine().last().head({202, ipc::ContentType::text, 8, {}});
  bench.engine().last().data("Accepted");
  bench.engine().last().end();
  bench.settle();
  const std::string answer = client.read();
  EXPECT_EQ(status_of(answer), 202);
  EXPECT_TRUE(has(answer, "Content-Type: text/plain; charset=utf-8\r\nContent-Length: 8\r\n")) << answer;
  EXPECT_EQ(body_of(answer), "Accepted");
}

TEST(Connection, no_answer_may_be_stored_and_no_stream_be_gathered_on_its_way) {
  Bench bench;
  FakeClient client = bench.connect();
  client.send(post("{}"));
  bench.settle();
  bench.engine().last().answer_json("{}");
  bench.settle();
  EXPECT_TRUE(has(client.read(), "Cache-Control: no-store\r\n"));
  client.send(get("/sse"));
  bench.settle();
  bench.engine().last().head({200, ipc::ContentType::event_stream, std::nullopt, {}});
  bench.settle();
  const std::string stream = client.read();
  EXPECT_TRUE(has(stream, "Cache-Control: no-cache, no-store, no-transform\r\n"));
  EXPECT_TRUE(has(stream, "X-Accel-Buffering: no\r\n"));
}

TEST(Connection, a_half_closed_client_still_gets_its_answer_and_then_the_end) {
  Bench bench;
  FakeClient client = bench.connect();
  client.send(post("{}"));
  client.half_close();
  bench.settle();
  ASSERT_EQ(bench.engine().seen.size(), 1U);
  EXPECT_FALSE(bench.engine().last().cancelled);
  bench.engine().last().answer_json("7");
  bench.settle();
  EXPECT_EQ(body_of(client.read()), "7");
  EXPECT_TRUE(client.ended());
  EXPECT_EQ(bench.door->clients(), 0U);
}

TEST(Connection, a_half_closed_event_stream_ends_after_a_moment) {
  Bench bench;
  FakeClient client = bench.connect();
  client.send(get("/mcp"));
  bench.settle();
  bench.engine().last().head({200, ipc::ContentType::event_stream, std::nullopt, {}});
  client.half_close();
  bench.settle();
  bench.engine().last().data("data: 1\n\n");
  bench.settle();
  EXPECT_TRUE(has(client.read(), "data: 1"));
  EXPECT_FALSE(bench.engine().last().cancelled);
  bench.pass(base::Milliseconds(6000));
  EXPECT_TRUE(bench.engine().last().cancelled);
  EXPECT_EQ(bench.door->clients(), 0U);
}

TEST(Connection, half_a_request_and_the_end_is_no_request) {
  Bench bench;
  for (const std::size_t cut : {20U, 130U, 160U}) {
    FakeClient client = bench.connect();
    client.send(post(std::string(50, ' ')).substr(0, cut));
    client.half_close();
    bench.settle();
    EXPECT_EQ(client.read(), "");
    EXPECT_TRUE(client.ended());
  }
  EXPECT_EQ(bench.engine().seen.size(), 0U);
  EXPECT_EQ(bench.door->clients(), 0U);
}

// ---- the engine dies

TEST(Connection, requests_of_a_dead_engine_are_502_and_the_next_ones_503_until_a_new_one_comes) {
  Bench bench;
  FakeClient client = bench.connect();
  client.send(post("{}"));
  bench.settle();
  bench.engine().die();
  bench.settle();
  const std::string lost = client.read();
  EXPECT_EQ(status_of(lost), 502);
  EXPECT_EQ(body_of(lost), base::refusal_body(Reason::engine_lost));
  EXPECT_TRUE(has(lost, "Content-Type: application/json\r\n"));
  EXPECT_FALSE(client.ended());
  const std::string unavailable = bench.exchange(client, post("{}"));
  EXPECT_EQ(status_of(unavailable), 503);
  EXPECT_TRUE(has(unavailable, "Retry-After: 1\r\n"));
  EXPECT_EQ(body_of(unavailable), base::refusal_body(Reason::engine_unavailable));
  EXPECT_EQ(status_of(bench.exchange(client, get("/healthz"))), 200);
  bench.engines.front() = bench.connect_engine(0);
  bench.settle();
  client.send(post("{}"));
  bench.settle();
  ASSERT_EQ(bench.engine().seen.size(), 1U);
  bench.engine().last().answer_json("5");
  bench.settle();
  EXPECT_EQ(body_of(client.read()), "5");
}

TEST(Connection, an_answer_that_the_engine_cannot_finish_is_cut) {
  Bench bench;
  FakeClient client = bench.connect();
  client.send(post("{}"));
  bench.settle();
  bench.engine().last().head({200, ipc::ContentType::event_stream, std::nullopt, {}});
  bench.engine().last().data("data: 1\n\n");
  bench.settle();
  bench.engine().die();
  bench.settle();
  const std::string answer = client.read();
  EXPECT_TRUE(answer.ends_with("data: 1\n\n\r\n")) << answer;  // no last chunk
  EXPECT_TRUE(client.ended());
}

TEST(Connection, a_reset_with_a_reason_is_that_refusal) {
  Bench bench;
  FakeClient client = bench.connect();
  client.send(post("{}"));
  bench.settle();
  bench.engine().last().channel->reset(bench.engine().last().stream, Reason::overloaded);
  bench.settle();
  const std::string answer = client.read();
  EXPECT_EQ(status_of(answer), 503);
  EXPECT_EQ(body_of(answer), base::refusal_body(Reason::overloaded));
  EXPECT_TRUE(client.ended());
}

TEST(Connection, a_new_channel_before_the_end_of_the_old_one_loses_no_request_silently) {
  Bench bench;
  FakeClient client = bench.connect();
  client.send(post("{}"));
  bench.settle();
  auto second = bench.connect_engine(0);
  bench.settle();
  bench.engine().die();
  bench.settle();
  EXPECT_EQ(status_of(client.read()), 502);
  client.send(post("{}"));
  bench.settle();
  ASSERT_EQ(second->seen.size(), 1U);
  second->last().answer_json("1");
  bench.settle();
  EXPECT_EQ(body_of(client.read()), "1");
  bench.engines.front() = std::move(second);
}

// ---- more or less than announced

TEST(Connection, an_answer_longer_or_shorter_than_announced_is_cut) {
  for (const std::string_view data : {"{}{}", "{"}) {
    Bench bench;
    FakeClient client = bench.connect();
    client.send(post("{}"));
    bench.settle();
    bench.engine().last().head({200, ipc::ContentType::json, 2, {}});
    bench.engine().last().data(data);
    bench.engine().last().end();
    bench.settle();
    const std::string answer = client.read();
    EXPECT_LE(body_of(answer).size(), 1U);
    EXPECT_TRUE(client.ended());
  }
}

// ---- draining

TEST(Drain, idle_connections_end_answers_end_first_and_done_is_said_once) {
  Bench bench;
  FakeClient idle = bench.connect();
  FakeClient busy = bench.connect();
  EXPECT_EQ(status_of(bench.exchange(idle, get("/healthz"))), 200);
  busy.send(post("{}"));
  bench.settle();
  int done = 0;
  bench.door->drain([&] { ++done; });
  bench.settle();
  idle.read();
  EXPECT_TRUE(idle.ended());
  EXPECT_EQ(done, 0);
  bench.engine().last().answer_json("1");
  bench.settle();
  const std::string answer = busy.read();
  EXPECT_EQ(body_of(answer), "1");
  EXPECT_TRUE(has(answer, "Connection: close\r\n"));
  EXPECT_TRUE(busy.ended());
  busy.vanish();
  idle.vanish();
  bench.settle();
  EXPECT_EQ(done, 1);
}

TEST(Drain, an_answer_that_began_before_and_ends_after_closes_its_connection) {
  Bench bench;
  FakeClient busy = bench.connect();
  busy.send(post("{}"));
  bench.settle();
  bench.engine().last().head({200, ipc::ContentType::event_stream, std::nullopt, {}});
  bench.settle();
  int done = 0;
  bench.door->drain([&] { ++done; });
  bench.settle();
  bench.engine().last().end();
  bench.settle();
  EXPECT_FALSE(has(busy.read(), "Connection: close\r\n")) << "its head had left already";
  EXPECT_TRUE(busy.ended());
  busy.vanish();
  bench.settle();
  EXPECT_EQ(done, 1);
}

TEST(Drain, what_does_not_end_is_ended) {
  Bench bench;
  FakeClient busy = bench.connect();
  busy.send(post("{}"));
  bench.settle();
  int done = 0;
  bench.door->drain([&] { ++done; });
  bench.pass(base::Milliseconds(9'000));
  EXPECT_EQ(done, 0);
  bench.pass(base::Milliseconds(2'000));
  EXPECT_EQ(done, 1);
  EXPECT_TRUE(bench.engine().last().cancelled);
}

}  // namespace
}  // namespace clawql::door::test
