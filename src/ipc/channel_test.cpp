#include "ipc/channel.hpp"

#include <gtest/gtest.h>
#include <malloc.h>
#include <sys/socket.h>
#include <unistd.h>

#include <deque>
#include <memory>

#include "ipc/control.hpp"
#include "ipc/frame_stream.hpp"
#include "ipc/settings.hpp"

namespace clawql::ipc {
namespace {

struct Client final : DoorStreamHandler {
  void on_head(const Head& head) override { status = head.status; }
  void on_data(std::string_view bytes) override { answer += bytes; }
  void on_end() override { ++ends; }
  void on_reset(base::Reason why) override { reset = why; }
  void on_body_credit(std::uint32_t bytes) override { body_credit += bytes; }
  int status = 0;
  std::string answer;
  int ends = 0;
  std::optional<base::Reason> reset;
  std::uint32_t body_credit = 0;
  std::size_t credited = 0;
};

struct Request final : EngineStreamHandler {
  void on_body(std::string_view bytes) override { body += bytes; }
  void on_end() override { ended = true; }
  void on_cancel() override { cancelled = true; }
  void on_taken(std::size_t buffered) override { waiting = buffered; }
  void on_half_closed() override { ++half_closes; }
  StreamId stream = 0;
  Open open;
  std::string path, body;
  bool ended = false, cancelled = false;
  std::size_t waiting = 0;
  int half_closes = 0;
};

// Both ends of a channel on one loop.
struct Channels : DoorChannel::Handler, EngineChannel::Handler {
  Channels() {
    auto pair = make_channel_pair();
    door = std::make_unique<DoorChannel>(loop, std::move(pair->first), *this);
    engine = std::make_unique<EngineChannel>(loop, std::move(pair->second), *this);
  }
  EngineStreamHandler& on_open(EngineChannel& channel, StreamId stream, const Open& open) override {
    requests.push_back(std::make_unique<Request>());
    Request& request = *requests.back();
    request.stream = stream;
    request.body = open.first_body;
    request.path = open.field(RequestField::target).value_or("");
    request.open.route = open.route;
    if (answer_at_once) {
      channel.head(stream, {.status = 204, .content_type = ContentType::none, .content_length = 0, .fields = {}});
      channel.end(stream);
    }
    return request;
  }
  void on_refusals(const std::vector<RefusalCount>& counts) override { refusals += counts.size(); }
  void on_room() override { ++rooms; }
  void on_closed(Error error) override { closed.push_back(error.message); }
  void run() {
    for (int i = 0; i < 20; ++i) loop.poll();
  }
  StreamId ask(Client& client, bool has_body = false, std::string_view first = {}) {
    Open open;
    open.has_body = has_body;
    open.first_body = first;
    open.fields.emplace_back(RequestField::target, "/admin/status");
    return door->open(open, client);
  }

  base::SystemClock clock;
  io::Loop loop{clock};
  std::deque<std::unique_ptr<Request>> requests;
  bool answer_at_once = false;
  int rooms = 0;
  std::size_t refusals = 0;
  std::vector<std::string> closed;
  std::unique_ptr<DoorChannel> door;
  std::unique_ptr<EngineChannel> engine;
};

constexpr Head kOk{};

TEST(Channel, carries_a_request_and_its_answer) {
  Channels both;
  Client client;
  both.ask(client, true, "first ");
  both.run();
  ASSERT_EQ(both.requests.size(), 1U);
  Request& request = *both.requests[0];
  EXPECT_EQ(request.path, "/admin/status");
  both.engine->grant_body(request.stream, 100);
  both.run();
  EXPECT_EQ(client.body_credit, 100U);
  both.door->body(request.stream, "second");
  both.door->end(request.stream);
  both.run();
  EXPECT_EQ(request.body, "first second");
  EXPECT_TRUE(request.ended);
  both.engine->head(request.stream, kOk);
  both.engine->data(request.stream, "answer");
  both.engine->end(request.stream);
  both.run();
  EXPECT_EQ(client.status, 200);
  EXPECT_EQ(client.answer, "answer");
  EXPECT_EQ(client.ends, 1);
  EXPECT_TRUE(both.closed.empty());
}

TEST(Channel, an_answer_from_within_on_open_is_whole) {
  Channels both;
  both.answer_at_once = true;
  Client client;
  for (int i = 0; i < 3; ++i) {
    both.ask(client);
    both.run();
  }
  EXPECT_EQ(client.ends, 3);
  EXPECT_EQ(both.requests[2]->stream, 0U);  // the id was free again each time
}

TEST(Channel, more_answer_than_credit_waits_until_the_client_took_some) {
  Channels both;
  Client client;
  const StreamId stream = both.ask(client);
  both.run();
  both.engine->head(stream, kOk);
  const std::string large(200'000, 'x');
  both.engine->data(stream, large);
  both.engine->end(stream);
  both.run();
  EXPECT_EQ(client.answer.size(), kStreamCredit);
  EXPECT_EQ(client.ends, 0);
  EXPECT_EQ(both.engine->buffered(), large.size() - kStreamCredit);
  while (client.ends == 0) {
    both.door->credit(stream, 30'000);
    both.run();
  }
  EXPECT_EQ(client.answer, large);
  EXPECT_EQ(both.engine->buffered(), 0U);
}

TEST(Channel, a_stalled_reader_does_not_hold_up_another_stream) {
  Channels both;
  std::vector<Client> stalled(100);
  for (auto& client : stalled) both.ask(client);
  Client lively;
  const StreamId last = both.ask(lively);
  both.run();
  for (StreamId stream = 0; stream < stalled.size(); ++stream) {
    both.engine->head(stream, kOk);
    both.engine->data(stream, std::string(1 << 20, 'x'));
  }
  both.engine->head(last, kOk);
  both.engine->data(last, "through");
  both.engine->end(last);
  for (int i = 0; i < 200; ++i) both.loop.poll();
  EXPECT_EQ(lively.answer, "through");
  EXPECT_EQ(lively.ends, 1);
}

TEST(Channel, what_waited_for_the_credit_of_the_whole_channel_is_told_as_taken) {
  Channels both;
  constexpr std::size_t kStreams = kChannelCredit / kStreamCredit + 10;
  std::vector<Client> clients(kStreams);
  for (auto& client : clients) both.ask(client);
  both.run();
  const std::string answer(kStreamCredit, 'x');
  for (StreamId stream = 0; stream < kStreams; ++stream) {
    both.requests[stream]->waiting = answer.size();
    both.engine->head(stream, kOk);
    both.engine->data(stream, answer);
  }
  ASSERT_GT(both.engine->buffered(), 0U);
  ASSERT_GT(both.engine->buffered(kStreams - 1), 0U);
  for (int i = 0; i < 100; ++i) both.loop.poll();
  EXPECT_EQ(both.engine->buffered(), 0U);
  EXPECT_EQ(clients.back().answer.size(), answer.size());
  // No credit of the stream is due for so little, so this is the only chance to hear that nothing waits any more.
  EXPECT_EQ(both.requests.back()->waiting, 0U);
}

TEST(Channel, a_stream_that_is_cancelled_while_the_loss_is_told_is_not_told) {
  Channels both;
  Client second;
  StreamId second_stream = 0;
  struct First final : DoorStreamHandler {
    void on_head(const Head&) override {}
    void on_data(std::string_view) override {}
    void on_end() override {}
    void on_reset(base::Reason) override { then(); }
    void on_body_credit(std::uint32_t) override {}
    std::function<void()> then;
  } first;
  first.then = [&] { both.door->cancel(second_stream); };
  Open open;
  open.fields.emplace_back(RequestField::target, "/");
  both.door->open(open, first);
  second_stream = both.ask(second);
  both.run();
  both.engine.reset();
  both.run();
  EXPECT_FALSE(second.reset.has_value());
}

TEST(Channel, keeps_no_memory_of_answers_that_have_left_or_were_dropped) {
  constexpr StreamId kStreams = 60;
  Channels both;
  std::vector<Client> clients(kStreams);
  for (auto& client : clients) both.ask(client);
  both.run();
  const auto in_use = [] {
    const struct mallinfo2 facts = ::mallinfo2();
    return facts.uordblks + facts.hblkhd;
  };
  const std::size_t before = in_use();
  const std::string answer(1 << 20, 'x');
  for (StreamId stream = 0; stream < kStreams; ++stream) {
    both.engine->head(stream, kOk);
    both.engine->data(stream, answer);
    if (stream % 3 == 0) both.door->cancel(stream);
    if (stream % 3 == 1) both.engine->reset(stream, base::Reason::overloaded);
    if (stream % 3 == 2) both.engine->end(stream);
  }
  for (StreamId stream = 2; stream < kStreams; stream += 3) {
    while (clients[stream].ends == 0) {
      both.run();
      both.door->credit(stream, static_cast<std::uint32_t>(clients[stream].answer.size() - clients[stream].credited));
      clients[stream].credited = clients[stream].answer.size();
    }
    std::string().swap(clients[stream].answer);
  }
  for (auto& client : clients) std::string().swap(client.answer);
  EXPECT_EQ(both.engine->buffered(), 0U);
  EXPECT_LT(in_use(), before + (8U << 20));
}

TEST(Channel, a_cancelled_stream_is_told_to_the_engine_and_its_id_comes_back) {
  Channels both;
  Client client;
  const StreamId stream = both.ask(client);
  both.run();
  both.engine->head(stream, kOk);
  both.engine->data(stream, std::string(300'000, 'x'));
  both.door->cancel(stream);
  both.run();
  EXPECT_TRUE(both.requests[0]->cancelled);
  EXPECT_EQ(both.engine->buffered(), 0U);
  EXPECT_EQ(client.ends, 0);
  Client next;
  EXPECT_EQ(both.ask(next), stream);
}

TEST(Channel, an_end_and_a_cancel_that_cross_leave_both_ends_idle) {
  Channels both;
  Client client;
  const StreamId stream = both.ask(client);
  both.run();
  both.engine->head(stream, kOk);
  both.engine->end(stream);
  both.door->cancel(stream);
  both.run();
  EXPECT_TRUE(both.closed.empty());
  EXPECT_EQ(client.ends, 0);
  Client next;
  EXPECT_EQ(both.ask(next), stream);
  both.run();
  EXPECT_EQ(both.requests.size(), 2U);
}

TEST(Channel, a_client_that_half_closes_is_told_and_its_answer_still_comes) {
  Channels both;
  Client client;
  const StreamId stream = both.ask(client);
  both.run();
  both.engine->head(stream, kOk);
  both.run();
  both.door->half_closed(stream);
  both.run();
  EXPECT_EQ(both.requests[0]->half_closes, 1);
  EXPECT_FALSE(both.requests[0]->cancelled);
  both.engine->data(stream, "answer");
  both.engine->end(stream);
  both.run();
  EXPECT_EQ(client.answer, "answer");
  EXPECT_EQ(client.ends, 1);
  EXPECT_TRUE(both.closed.empty());
}

TEST(Channel, an_end_and_a_half_close_that_cross_leave_the_stream_for_the_next_request) {
  Channels both;
  Client client;
  const StreamId stream = both.ask(client);
  both.run();
  both.engine->head(stream, kOk);
  both.engine->end(stream);
  both.door->half_closed(stream);
  both.run();
  EXPECT_EQ(client.ends, 1);
  EXPECT_EQ(both.requests[0]->half_closes, 0);
  Client next;
  EXPECT_EQ(both.ask(next), stream);
  both.run();
  EXPECT_EQ(both.requests.size(), 2U);
  EXPECT_TRUE(both.closed.empty());
}

TEST(Channel, an_answer_before_the_body_ended_lets_the_door_stop_sending) {
  Channels both;
  Client client;
  const StreamId stream = both.ask(client, true, "half");
  both.run();
  both.engine->head(stream, {.status = 413, .content_type = ContentType::none, .content_length = 0, .fields = {}});
  both.engine->end(stream);
  both.run();
  EXPECT_EQ(client.status, 413);
  EXPECT_EQ(client.ends, 1);
  both.door->cancel(stream);
  both.run();
  EXPECT_TRUE(both.closed.empty());
  Client next;
  EXPECT_EQ(both.ask(next), stream);
}

TEST(Channel, with_no_credit_left_the_door_opens_no_more) {
  Channels both;
  std::deque<Client> clients;
  const std::string body(kStreamCredit, 'b');
  while (both.door->can_open()) {
    clients.emplace_back();
    both.ask(clients.back(), true, body);
  }
  EXPECT_GT(clients.size(), 30U);
  EXPECT_LE(clients.size() * kStreamCredit, kChannelCredit);
  both.run();
  EXPECT_GE(both.rooms, 1);
  EXPECT_TRUE(both.door->can_open());
}

TEST(Channel, when_one_end_goes_the_other_ends_every_stream) {
  Channels both;
  Client client;
  both.ask(client);
  both.run();
  both.engine.reset();
  both.run();
  EXPECT_EQ(client.reset, base::Reason::engine_unavailable);
  EXPECT_EQ(both.closed.size(), 1U);
  EXPECT_FALSE(both.door->can_open());
}

// What an end says that is not in the table ends the connection, and nothing else.
std::string bytes_of(Kind kind, StreamId stream, std::string_view payload) {
  std::string out;
  encode_header(out, {static_cast<std::uint32_t>(payload.size()), stream, kind});
  return out.append(payload);
}

TEST(Channel, an_end_that_breaks_the_protocol_is_cut_off) {
  const std::string four("\x01\x00\x00\x00", 4);
  const std::string cases[] = {
      bytes_of(Kind::head, 0, "x"),         bytes_of(Kind::body, 0, "not opened"),
      bytes_of(Kind::end, 0, ""),           bytes_of(Kind::open, 5, ""),
      bytes_of(Kind::open, 0, "too short"), bytes_of(Kind::credit, kChannelItself, four),
      bytes_of(Kind::refusals, 0, ""),      std::string(kFrameHeaderBytes, '\xff'),
      bytes_of(Kind::data, 70'000, "x"),
  };
  for (const auto& bytes : cases) {
    Channels both;
    auto pair = make_channel_pair();
    const EngineChannel engine(both.loop, std::move(pair->second), both);
    ASSERT_EQ(::write(pair->first.get(), bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
    both.run();
    EXPECT_EQ(both.closed.size(), 1U) << testing::PrintToString(bytes);
    EXPECT_TRUE(both.requests.empty());
  }
}

TEST(Channel, a_half_close_before_the_request_is_complete_breaks_the_protocol) {
  Channels both;
  auto pair = make_channel_pair();
  const EngineChannel engine(both.loop, std::move(pair->second), both);
  std::string open;
  encode(open, Open{.has_body = true});
  const std::string bytes = bytes_of(Kind::open, 0, open) + bytes_of(Kind::half_closed, 0, "");
  ASSERT_EQ(::write(pair->first.get(), bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
  both.run();
  EXPECT_EQ(both.requests.size(), 1U);
  EXPECT_TRUE(both.requests[0]->cancelled);
  EXPECT_EQ(both.closed.size(), 1U);
}

TEST(Messages, open_and_head_survive_their_journey) {
  Open open{.route = Route::lines, .method = Method::delete_, .listener = 7, .accepts_json = true, .has_body = true};
  open.peer = {.kind = Peer::Kind::tcp, .uid = 1, .gid = 2, .pid = 3, .address = {}, .port = 4};
  open.peer.address[15] = 9;
  open.fields.emplace_back(RequestField::session_id, "abc");
  open.fields.emplace_back(RequestField::mcp_param, "");
  open.first_body = "{}";
  std::string bytes;
  encode(bytes, open);
  const auto back = decode_open(bytes);
  ASSERT_TRUE(back.has_value());
  EXPECT_EQ(back->route, Route::lines);
  EXPECT_EQ(back->method, Method::delete_);
  EXPECT_EQ(back->listener, 7);
  EXPECT_EQ(back->peer.address, open.peer.address);
  EXPECT_TRUE(back->accepts_json && back->has_body && !back->accepts_event_stream);
  EXPECT_EQ(back->fields, open.fields);
  EXPECT_EQ(back->first_body, "{}");
  for (std::size_t cut = 0; cut + 2 < bytes.size(); ++cut) {
    if (cut + 3 == bytes.size()) continue;
    EXPECT_TRUE(!decode_open(bytes.substr(0, cut)) || cut + 2 >= bytes.size()) << cut;
  }
}

TEST(Messages, a_head_says_whether_it_listens) {
  for (const bool listens : {false, true}) {
    std::string bytes;
    encode(bytes,
           Head{.content_type = ContentType::event_stream, .content_length = {}, .fields = {}, .listens = listens});
    const auto back = decode_head(bytes);
    ASSERT_TRUE(back.has_value());
    EXPECT_EQ(back->listens, listens);
  }
}

TEST(Messages, a_header_value_cannot_start_another_header) {
  Head head;
  head.fields.emplace_back(ResponseField::session_id, "a\r\nX: y");
  std::string bytes;
  encode(bytes, head);
  EXPECT_FALSE(decode_head(bytes).has_value());
}

TEST(Messages, a_peer_is_described_for_people) {
  Peer peer{.kind = Peer::Kind::unix_socket, .uid = 1000, .gid = 0, .pid = 77, .address = {}, .port = 0};
  EXPECT_EQ(describe(peer), "uid:1000 pid:77");
  peer.kind = Peer::Kind::tcp;
  peer.port = 80;
  peer.address = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 127, 0, 0, 1};
  EXPECT_EQ(describe(peer), "127.0.0.1:80");
  peer.address = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  EXPECT_EQ(describe(peer), "[::1]:80");
}

TEST(Settings, come_back_as_they_were_and_unknown_members_are_refused) {
  DoorSettings settings;
  settings.allowed_hosts = {"gw.tail.test"};
  settings.limits.head = 1;
  settings.listeners.push_back({3, "tcp", "127.0.0.1:8080", true});
  const auto back = from_json<DoorSettings>(to_json(settings));
  ASSERT_TRUE(back.has_value()) << back.error().message;
  EXPECT_EQ(back->allowed_hosts, settings.allowed_hosts);
  EXPECT_FALSE(back->allowed_origins.has_value());
  EXPECT_EQ(back->limits.head, 1U);
  EXPECT_EQ(back->listeners.at(0).label, "127.0.0.1:8080");
  EXPECT_FALSE(from_json<ListenerMessage>(R"({"id":1,"more":2})").has_value());
  EXPECT_FALSE(from_json<ListenerMessage>(R"({})").has_value());
  EXPECT_FALSE(from_json<ListenerMessage>(R"({"id":65536})").has_value());
  EXPECT_FALSE(from_json<ListenerMessage>(R"({"id":-1})").has_value());
}

struct Mailbox final : ControlSocket::Handler {
  void on_message(ControlMessage message) override { messages.push_back(std::move(message)); }
  void on_closed(Error error) override { closed = error.message; }
  std::vector<ControlMessage> messages;
  std::string closed;
};

TEST(Control, carries_messages_with_descriptors_and_tells_the_end) {
  const base::SystemClock clock;
  io::Loop loop(clock);
  auto pair = make_control_pair();
  Mailbox ours, theirs;
  auto first = std::make_unique<ControlSocket>(loop, std::move(pair->first), ours);
  const ControlSocket second(loop, std::move(pair->second), theirs);
  std::vector<os::Fd> fds;
  fds.push_back(std::move(*make_payload_fd("hello")));
  first->send(Control::settings, "{}", std::move(fds));
  for (int i = 0; i < 2000; ++i) first->send(Control::ping, std::string(1000, 'x'));
  for (int i = 0; i < 300; ++i) loop.poll();
  ASSERT_EQ(theirs.messages.size(), 2001U);
  ASSERT_EQ(theirs.messages[0].fds.size(), 1U);
  EXPECT_EQ(read_payload_fd(theirs.messages[0].fds[0].get()).value(), "hello");
  first.reset();
  for (int i = 0; i < 5; ++i) loop.poll();
  EXPECT_NE(theirs.closed, "");
}

}  // namespace
}  // namespace clawql::ipc
