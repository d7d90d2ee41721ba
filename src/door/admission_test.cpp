#include "door/admission.hpp"

#include "door/test_bench.hpp"

namespace clawql::door::test {
namespace {

using base::Reason;

struct FakeGuest final : Admission::Guest {
  explicit FakeGuest(Admission& admission_) : admission(admission_) {}
  ~FakeGuest() { admission.leave(*this); }
  void evict(Reason reason) override {
    evicted = reason;
    admission.leave(*this);
  }
  Admission& admission;
  std::optional<Reason> evicted;
};

ipc::Peer uid(std::uint32_t value) {
  ipc::Peer peer;
  peer.uid = value;
  return peer;
}

TEST(Admission, at_a_peers_limit_its_longest_waiting_connection_makes_room) {
  Admission admission(small_limits(), 1);
  std::vector<std::unique_ptr<FakeGuest>> guests;
  for (int i = 0; i < 5; ++i) {
    guests.push_back(std::make_unique<FakeGuest>(admission));
    EXPECT_TRUE(admission.enter(*guests.back(), uid(1)));
    if (i == 0) admission.served(*guests[0]);  // it has a complete request: not the one to go
  }
  EXPECT_EQ(guests[0]->evicted, std::nullopt);
  EXPECT_EQ(guests[1]->evicted, Reason::too_many_connections);
  EXPECT_EQ(guests[2]->evicted, std::nullopt);
  EXPECT_EQ(admission.connections(), 4U);
}

TEST(Admission, whose_wait_began_again_goes_to_the_end) {
  Admission admission(small_limits(), 1);
  std::vector<std::unique_ptr<FakeGuest>> guests;
  for (int i = 0; i < 4; ++i) {
    guests.push_back(std::make_unique<FakeGuest>(admission));
    EXPECT_TRUE(admission.enter(*guests.back(), uid(1)));
  }
  admission.served(*guests[0]);
  admission.waits(*guests[0]);
  FakeGuest one_more(admission);
  EXPECT_TRUE(admission.enter(one_more, uid(1)));
  EXPECT_EQ(guests[0]->evicted, std::nullopt);
  EXPECT_EQ(guests[1]->evicted, Reason::too_many_connections);
}

TEST(Admission, a_peer_at_its_limit_costs_other_peers_nothing) {
  Admission admission(small_limits(), 1);
  FakeGuest other(admission);
  EXPECT_TRUE(admission.enter(other, uid(2)));  // waits longer than all that follow
  std::vector<std::unique_ptr<FakeGuest>> guests;
  for (int i = 0; i < 20; ++i) {
    guests.push_back(std::make_unique<FakeGuest>(admission));
    EXPECT_TRUE(admission.enter(*guests.back(), uid(1)));
  }
  EXPECT_EQ(other.evicted, std::nullopt);
  EXPECT_EQ(admission.connections(), 5U);
}

TEST(Admission, overall_the_longest_waiting_of_any_peer_makes_room) {
  Admission admission(small_limits(), 1);
  std::vector<std::unique_ptr<FakeGuest>> guests;
  for (std::uint32_t i = 0; i < 7; ++i) {
    guests.push_back(std::make_unique<FakeGuest>(admission));
    EXPECT_TRUE(admission.enter(*guests.back(), uid(i)));
  }
  EXPECT_EQ(guests[0]->evicted, Reason::too_many_connections);
  EXPECT_EQ(admission.connections(), 6U);
}

TEST(Admission, where_nobody_waits_the_new_one_is_refused) {
  Admission admission(small_limits(), 1);
  std::vector<std::unique_ptr<FakeGuest>> guests;
  for (int i = 0; i < 4; ++i) {
    guests.push_back(std::make_unique<FakeGuest>(admission));
    EXPECT_TRUE(admission.enter(*guests.back(), uid(1)));
    admission.served(*guests.back());
  }
  FakeGuest refused(admission);
  EXPECT_FALSE(admission.enter(refused, uid(1)));
  FakeGuest other_peer(admission);
  EXPECT_TRUE(admission.enter(other_peer, uid(2)));
}

TEST(Admission, the_last_connection_of_a_peer_may_be_the_one_that_makes_room_for_it) {
  base::Limits limits;
  limits.connections_per_peer = 1;
  Admission admission(limits, 1);
  FakeGuest first(admission);
  FakeGuest second(admission);
  EXPECT_TRUE(admission.enter(first, uid(1)));
  EXPECT_TRUE(admission.enter(second, uid(1)));
  EXPECT_EQ(first.evicted, Reason::too_many_connections);
  EXPECT_EQ(admission.connections(), 1U);
}

TEST(Admission, requests_in_flight_are_limited_a_peer_and_overall) {
  Admission admission(small_limits(), 1);
  std::vector<std::unique_ptr<FakeGuest>> guests;
  for (std::uint32_t i = 0; i < 6; ++i) {
    guests.push_back(std::make_unique<FakeGuest>(admission));
    EXPECT_TRUE(admission.enter(*guests.back(), uid(i / 3)));
  }
  EXPECT_EQ(admission.begin_request(*guests[0]), std::nullopt);
  EXPECT_EQ(admission.begin_request(*guests[1]), std::nullopt);
  EXPECT_EQ(admission.begin_request(*guests[2]), Reason::too_many_requests);
  EXPECT_EQ(admission.begin_request(*guests[3]), std::nullopt);
  EXPECT_EQ(admission.begin_request(*guests[4]), Reason::too_many_requests);
  guests[0].reset();  // who leaves takes its request along
  EXPECT_EQ(admission.in_flight(), 2U);
  EXPECT_EQ(admission.begin_request(*guests[4]), std::nullopt);
}

TEST(Admission, over_the_bytes_it_may_keep_the_oldest_keeper_goes) {
  base::Limits limits;
  Admission admission(limits, 1);
  std::vector<std::unique_ptr<FakeGuest>> guests;
  for (std::uint32_t i = 0; i < 3; ++i) {
    guests.push_back(std::make_unique<FakeGuest>(admission));
    EXPECT_TRUE(admission.enter(*guests.back(), uid(1)));
  }
  admission.unsent(*guests[0], 30U << 20);
  admission.unsent(*guests[1], 30U << 20);
  admission.unsent(*guests[0], 0);  // it took everything
  admission.unsent(*guests[0], 30U << 20);
  EXPECT_EQ(guests[1]->evicted, std::nullopt);
  admission.unsent(*guests[2], 5U << 20);
  EXPECT_EQ(guests[1]->evicted, Reason::overloaded);  // slowest since guest 0 took its bytes
  EXPECT_EQ(guests[0]->evicted, std::nullopt);
  admission.holds(*guests[0], 40U << 20);
  admission.holds(*guests[2], 40U << 20);
  EXPECT_EQ(guests[0]->evicted, Reason::overloaded);
  EXPECT_EQ(guests[2]->evicted, std::nullopt);
}

TEST(Admission, several_loops_share_the_limits) {
  Admission admission(small_limits(), 2);
  std::vector<std::unique_ptr<FakeGuest>> guests;
  for (int i = 0; i < 3; ++i) {
    guests.push_back(std::make_unique<FakeGuest>(admission));
    EXPECT_TRUE(admission.enter(*guests.back(), uid(1)));
  }
  EXPECT_EQ(guests[0]->evicted, Reason::too_many_connections);
}

// ---- through whole connections

TEST(Flood, a_full_house_makes_room_for_the_new_client) {
  Bench bench(small_limits());
  std::vector<FakeClient> silent;
  silent.reserve(4);
  for (int i = 0; i < 4; ++i) silent.push_back(bench.connect());
  FakeClient client = bench.connect();
  EXPECT_EQ(status_of(bench.exchange(client, get("/healthz"))), 200);
  silent[0].read();
  silent[1].read();
  EXPECT_TRUE(silent[0].ended());
  EXPECT_FALSE(silent[1].ended());
  EXPECT_EQ(bench.refused(Reason::too_many_connections), 1U);
}

TEST(Flood, ten_thousand_slow_clients_leave_others_served) {
  base::Limits limits;
  limits.connections_per_peer = 200;
  limits.connections = 300;
  Bench bench(limits);
  FakeClient busy = bench.connect();
  busy.send(post("[\"busy\"]"));
  bench.settle();
  std::vector<FakeClient> slow;
  for (int i = 0; i < 10'000; ++i) {
    slow.push_back(bench.connect());
    slow.back().send(i % 2 == 0 ? "POST /mcp HT" : post(std::string(500, ' ')).substr(0, 300));
    if (i % 100 == 0) bench.settle();
    if (slow.size() > 250) slow.erase(slow.begin());
  }
  FakeClient late = bench.connect();
  EXPECT_EQ(status_of(bench.exchange(late, get("/healthz"))), 200);
  bench.engine().seen.front()->answer_json("\"done\"");
  bench.settle();
  EXPECT_EQ(body_of(busy.read()), "\"done\"");
  EXPECT_LE(bench.door->clients(), 201U);
}

TEST(Flood, requests_over_the_limit_in_flight_are_429_and_the_connection_stays) {
  Bench bench(small_limits());
  FakeClient a = bench.connect();
  FakeClient b = bench.connect();
  FakeClient c = bench.connect();
  a.send(post("{}"));
  b.send(post("{}"));
  bench.settle();
  const std::string answer = bench.exchange(c, post("{}"));
  EXPECT_EQ(status_of(answer), 429);
  EXPECT_EQ(body_of(answer), base::refusal_body(Reason::too_many_requests));
  EXPECT_TRUE(has(answer, "Retry-After: 1\r\n"));
  EXPECT_FALSE(c.ended());
  EXPECT_EQ(bench.refused(Reason::too_many_requests), 1U);
  bench.engine().seen.front()->answer_json("1");
  bench.settle();
  c.send(post("{}"));
  bench.settle();
  EXPECT_EQ(bench.engine().seen.size(), 3U);
}

TEST(Flood, event_streams_do_not_count_as_requests_in_flight) {
  Bench bench(small_limits());
  std::vector<FakeClient> streams;
  for (int i = 0; i < 3; ++i) {
    streams.push_back(bench.connect());
    streams.back().send(get(i == 0 ? "/sse" : "/mcp"));
  }
  FakeClient client = bench.connect();
  client.send(post("{}"));
  bench.settle();
  EXPECT_EQ(bench.engine().seen.size(), 4U);
}

TEST(Flood, an_answer_that_listens_is_no_request_in_flight_any_more) {
  Bench bench(small_limits());
  FakeClient a = bench.connect();
  FakeClient b = bench.connect();
  FakeClient c = bench.connect();
  for (FakeClient* client : {&a, &b}) {
    client->send(post("{}"));
    bench.settle();
    ipc::Head head{200, ipc::ContentType::event_stream, std::nullopt, {}};
    head.listens = client == &a;
    bench.engine().last().head(head);
  }
  bench.settle();
  EXPECT_EQ(bench.door->admission().in_flight(), 1U);
  c.send(post("{}"));
  bench.settle();
  EXPECT_EQ(bench.engine().seen.size(), 3U);
  for (const auto& seen : bench.engine().seen) seen->channel->reset(seen->stream, Reason::internal);
  bench.settle();
  EXPECT_EQ(bench.door->admission().in_flight(), 0U);
}

TEST(Flood, clients_cannot_take_the_operators_places) {
  Bench bench(small_limits());
  std::vector<FakeClient> flood;
  for (int i = 0; i < 4; ++i) {
    flood.push_back(bench.connect(Listener::Kind::unix_socket));
    flood.back().send("{}\n");
  }
  bench.settle();
  FakeClient refused = bench.connect(Listener::Kind::unix_socket);
  bench.settle();
  refused.read();
  EXPECT_TRUE(refused.ended());
  FakeClient admin = bench.connect(Listener::Kind::admin);
  admin.send(get("/admin/status"));
  bench.settle();
  EXPECT_EQ(bench.engine().last().route, ipc::Route::admin);
}

TEST(Flood, a_client_that_does_not_read_its_answers_is_closed_before_others_starve) {
  Bench bench;
  // 1,100 event streams of 64 KiB each that nobody reads are more than the door keeps.
  std::vector<FakeClient> clients;
  const std::string event = "data: " + std::string(60'000, 'x') + "\n\n";
  for (int i = 0; i < 1'800; ++i) {
    clients.push_back(bench.connect());
    clients.back().send(get("/mcp"));
  }
  bench.settle();
  ASSERT_EQ(bench.engine().seen.size(), 1'800U);
  for (int round = 0; round < 6; ++round) {
    for (auto& seen : bench.engine().seen) {
      if (seen->cancelled) continue;
      if (round == 0) seen->head({200, ipc::ContentType::event_stream, std::nullopt, {}});
      seen->data(event);
    }
    bench.settle();
  }
  EXPECT_GT(bench.refused(Reason::overloaded), 0U);
  EXPECT_LT(bench.door->clients(), 1'800U);
  EXPECT_GT(bench.door->clients(), 500U);
  FakeClient other = bench.connect();
  EXPECT_EQ(status_of(bench.exchange(other, get("/healthz"))), 200);
}

// ---- the books

TEST(Refusals, a_flood_is_counted_whole_and_logged_a_little) {
  Bench bench;
  for (int i = 0; i < 1000; ++i) {
    FakeClient client = bench.connect();
    client.send("GET /mcp HTTP/1.1\r\nHost: evil" + std::to_string(i) + ".example\r\n\r\n");
    bench.settle();
  }
  EXPECT_EQ(bench.refused(Reason::host_not_allowed), 1000U);
  std::string log = bench.log();
  std::size_t lines = 0;
  for (std::size_t at = log.find("door.refused\""); at != std::string::npos; at = log.find("door.refused\"", at + 1))
    ++lines;
  EXPECT_EQ(lines, 10U);
  EXPECT_TRUE(has(log, "evil0.example"));
  EXPECT_TRUE(has(log, R"(allowedHosts: [\"evil0.example\"] in /etc/clawql/clawql.yaml)")) << log.substr(0, 400);
  EXPECT_TRUE(bench.engine().refusals.empty());
  bench.pass(base::Milliseconds(2'000));
  EXPECT_EQ(bench.engine().refusals[static_cast<int>(Reason::host_not_allowed)], 1000U);
  EXPECT_EQ(bench.engine().last_refused_value, "evil999.example");
  EXPECT_TRUE(has(bench.log(), "\"not_logged\":990"));
}

TEST(Refusals, wait_for_the_next_engine_where_there_is_none) {
  Bench bench;
  bench.engine().die();
  FakeClient client = bench.connect();
  bench.exchange(client, get("/nothing"));
  bench.pass(base::Milliseconds(3'000));
  bench.engines.front() = bench.connect_engine(0);
  bench.pass(base::Milliseconds(2'000));
  EXPECT_EQ(bench.engine().refusals[static_cast<int>(Reason::route_unknown)], 1U);
}

}  // namespace
}  // namespace clawql::door::test
