#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <optional>
#include <thread>

#include "io/deadline_wheel.hpp"
#include "io/loop.hpp"
#include "io/stream.hpp"

namespace clawql::io {
namespace {

using base::Milliseconds;

struct Pair {
  os::Fd ours, theirs;
  Pair() {
    int fds[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
    ours = os::Fd(fds[0]);
    theirs = os::Fd(fds[1]);
  }
};

struct Recorder final : Stream::Handler {
  void on_bytes(std::string_view bytes) override {
    text += bytes;
    if (then) then();
  }
  void on_end() override {
    ended = true;
    if (then) then();
  }
  void on_end_ahead() override { ++told_ahead; }
  void on_drained() override { ++drained; }
  void on_failed(Error error) override { failure = std::move(error.message); }
  std::string text;
  std::string failure;
  bool ended = false;
  int told_ahead = 0;
  int drained = 0;
  std::function<void()> then;
};

std::string read_all(int fd) {
  std::string text(1 << 20, '\0');
  const auto size = ::read(fd, text.data(), text.size());
  text.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
  return text;
}

TEST(Stream, gathers_the_writes_of_a_turn_and_sends_them_together) {
  base::SystemClock clock;
  Loop loop(clock);
  Pair pair;
  Recorder recorder;
  Stream stream(loop, std::move(pair.ours), recorder);
  stream.write("a");
  stream.write("b");
  EXPECT_EQ(read_all(pair.theirs.get()), "");
  loop.poll();
  EXPECT_EQ(read_all(pair.theirs.get()), "ab");
  EXPECT_EQ(recorder.drained, 1);
}

TEST(Stream, reads_only_while_it_is_not_paused) {
  base::SystemClock clock;
  Loop loop(clock);
  Pair pair;
  Recorder recorder;
  Stream stream(loop, std::move(pair.ours), recorder);
  ASSERT_EQ(::write(pair.theirs.get(), "one", 3), 3);
  loop.poll();
  EXPECT_EQ(recorder.text, "");
  stream.resume();
  loop.poll();
  EXPECT_EQ(recorder.text, "one");
  stream.pause();
  ASSERT_EQ(::write(pair.theirs.get(), "two", 3), 3);
  loop.poll();
  EXPECT_EQ(recorder.text, "one");
}

TEST(Stream, may_be_destroyed_by_the_callback_it_makes) {
  base::SystemClock clock;
  Loop loop(clock);
  Pair pair;
  Recorder recorder;
  std::optional<Stream> stream(std::in_place, loop, std::move(pair.ours), recorder);
  recorder.then = [&] { stream.reset(); };
  stream->write("never sent twice");
  stream->resume();
  ASSERT_EQ(::write(pair.theirs.get(), "x", 1), 1);
  for (int i = 0; i < 3; ++i) loop.poll();
  EXPECT_FALSE(stream.has_value());
  EXPECT_EQ(recorder.text, "x");
}

TEST(Stream, a_half_closed_peer_still_gets_its_answer) {
  base::SystemClock clock;
  Loop loop(clock);
  Pair pair;
  Recorder recorder;
  Stream stream(loop, std::move(pair.ours), recorder);
  stream.resume();
  ASSERT_EQ(::write(pair.theirs.get(), "q", 1), 1);
  ASSERT_EQ(::shutdown(pair.theirs.get(), SHUT_WR), 0);
  for (int i = 0; i < 3; ++i) loop.poll();
  EXPECT_TRUE(recorder.ended);
  stream.write("answer");
  stream.finish();
  loop.poll();
  EXPECT_EQ(read_all(pair.theirs.get()), "answer");
  char byte = 0;
  EXPECT_EQ(::read(pair.theirs.get(), &byte, 1), 0);
}

TEST(Stream, what_a_slow_reader_leaves_waits_and_arrives_whole) {
  base::SystemClock clock;
  Loop loop(clock);
  Pair pair;
  Recorder recorder;
  Stream stream(loop, std::move(pair.ours), recorder);
  std::string sent;
  for (int i = 0; sent.size() < (3U << 20); ++i) sent += std::to_string(i) + ' ';
  stream.write(sent);
  loop.poll();
  EXPECT_GT(stream.pending(), 0U);
  std::string got;
  while (got.size() < sent.size()) {
    got += read_all(pair.theirs.get());
    loop.poll();
  }
  EXPECT_EQ(got, sent);
  EXPECT_EQ(stream.pending(), 0U);
}

TEST(Stream, a_peer_that_is_gone_is_a_failure_and_not_a_signal) {
  base::SystemClock clock;
  Loop loop(clock);
  Pair pair;
  Recorder recorder;
  Stream stream(loop, std::move(pair.ours), recorder);
  pair.theirs.reset();
  stream.write("x");
  loop.poll();
  EXPECT_NE(recorder.failure.find("Broken pipe"), std::string::npos) << recorder.failure;
}

TEST(Stream, the_end_of_the_peer_is_noticed_while_nothing_is_read_and_what_it_sent_still_comes) {
  base::SystemClock clock;
  Loop loop(clock);
  Pair pair;
  Recorder recorder;
  Stream stream(loop, std::move(pair.ours), recorder);
  stream.notice_hang_up();
  stream.resume();
  loop.poll();
  stream.pause();
  ASSERT_EQ(::write(pair.theirs.get(), "unread", 6), 6);
  loop.poll();
  EXPECT_EQ(recorder.told_ahead, 0);
  ASSERT_EQ(::shutdown(pair.theirs.get(), SHUT_WR), 0);
  for (int i = 0; i < 3; ++i) loop.poll();
  EXPECT_EQ(recorder.told_ahead, 1);
  EXPECT_FALSE(recorder.ended);
  stream.resume();
  for (int i = 0; i < 3; ++i) loop.poll();
  EXPECT_EQ(recorder.text, "unread");
  EXPECT_TRUE(recorder.ended);
  EXPECT_EQ(recorder.failure, "") << "it may still read";
  stream.write("answer");
  loop.poll();
  EXPECT_EQ(read_all(pair.theirs.get()), "answer");
  pair.theirs.reset();
  for (int i = 0; i < 3; ++i) loop.poll();
  EXPECT_NE(recorder.failure, "") << "without a write";
}

TEST(Stream, a_peer_that_is_gone_fails_without_a_write_but_not_before_all_is_read) {
  base::SystemClock clock;
  Loop loop(clock);
  Pair pair;
  Recorder recorder;
  Stream stream(loop, std::move(pair.ours), recorder);
  stream.notice_hang_up();
  stream.resume();
  loop.poll();
  stream.pause();
  ASSERT_EQ(::write(pair.theirs.get(), "last words", 10), 10);
  pair.theirs.reset();
  for (int i = 0; i < 3; ++i) loop.poll();
  EXPECT_EQ(recorder.failure, "");
  stream.resume();
  for (int i = 0; i < 3; ++i) loop.poll();
  EXPECT_EQ(recorder.text, "last words");
  EXPECT_NE(recorder.failure, "");
}

TEST(Stream, whose_end_was_noticed_costs_the_loop_nothing_more) {
  base::SystemClock clock;
  Loop loop(clock);
  Pair pair;
  Recorder recorder;
  Stream stream(loop, std::move(pair.ours), recorder);
  stream.notice_hang_up();
  stream.resume();
  ASSERT_EQ(::shutdown(pair.theirs.get(), SHUT_WR), 0);
  for (int i = 0; i < 5; ++i) loop.poll();  // poll() ends when nothing is reported any more
  EXPECT_TRUE(recorder.ended);
  EXPECT_EQ(loop.poll(), 0U);
}

TEST(Stream, a_reset_is_a_failure_even_while_nothing_is_read) {
  base::SystemClock clock;
  Loop loop(clock);
  const os::Fd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ASSERT_EQ(::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(::listen(listener.get(), 1), 0);
  ASSERT_EQ(::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
  os::Fd theirs(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(::connect(theirs.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
  Recorder recorder;
  Stream stream(loop, os::Fd(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC)), recorder);
  stream.notice_hang_up();
  stream.resume();
  loop.poll();
  stream.pause();
  const linger at_once{.l_onoff = 1, .l_linger = 0};
  ASSERT_EQ(::setsockopt(theirs.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), 0);
  theirs.reset();
  for (int i = 0; i < 3; ++i) loop.poll();
  EXPECT_NE(recorder.failure, "");
}

// A socket has calls of its own; the pipes of a stdio server have none of them.
TEST(Stream, both_ends_of_a_pipe_carry_bytes_to_their_end) {
  base::FakeClock clock;
  Loop loop(clock);
  int fds[2];
  ASSERT_EQ(::pipe2(fds, O_CLOEXEC), 0);
  Recorder from, to;
  Stream reader(loop, os::Fd(fds[0]), from);
  Stream writer(loop, os::Fd(fds[1]), to);
  reader.resume();
  writer.write("through the pipe");
  writer.finish();
  loop.poll();
  EXPECT_EQ(from.text, "through the pipe");
  EXPECT_TRUE(from.ended);
  EXPECT_EQ(to.drained, 1);
  EXPECT_EQ(from.failure + to.failure, "");
}

TEST(Deadline, is_never_early_and_is_called_once) {
  base::FakeClock clock;
  Loop loop(clock);
  int calls = 0;
  Deadline deadline(loop, [&] { ++calls; });
  deadline.set(Milliseconds(250));
  clock.advance(Milliseconds(249));
  loop.poll();
  EXPECT_EQ(calls, 0);
  clock.advance(Milliseconds(151));
  loop.poll();
  EXPECT_EQ(calls, 1);
  clock.advance(std::chrono::hours(24));
  loop.poll();
  EXPECT_EQ(calls, 1);
}

TEST(Deadline, longer_than_a_turn_of_the_wheel_waits_its_rounds) {
  base::FakeClock clock;
  Loop loop(clock);
  int calls = 0;
  Deadline deadline(loop, [&] { ++calls; });
  deadline.set(std::chrono::minutes(30));
  for (int minute = 0; minute < 29; ++minute) {
    clock.advance(std::chrono::minutes(1));
    loop.poll();
  }
  EXPECT_EQ(calls, 0);
  clock.advance(std::chrono::minutes(2));
  loop.poll();
  EXPECT_EQ(calls, 1);
}

TEST(Deadline, a_task_may_destroy_itself_and_others) {
  base::FakeClock clock;
  Loop loop(clock);
  int calls = 0;
  std::optional<Deadline> second;
  std::optional<Deadline> first;
  first.emplace(loop, [&] {
    ++calls;
    second.reset();
    first.reset();
    ++calls;
  });
  second.emplace(loop, [&] { calls += 100; });
  second->set(Milliseconds(100));
  first->set(Milliseconds(100));  // linked in front of second, so called before it
  clock.advance(Milliseconds(500));
  loop.poll();
  EXPECT_TRUE(calls == 2 || calls == 102) << calls;
  EXPECT_FALSE(first.has_value());
}

TEST(Loop, asks_for_the_time_once_a_turn) {
  base::FakeClock clock;
  Loop loop(clock);
  const base::Microseconds before = loop.now();
  clock.advance(Milliseconds(5));
  EXPECT_EQ(loop.now(), before + Milliseconds(5));  // between turns
  base::Microseconds early{}, late{};
  loop.post([&] {
    early = loop.now();
    clock.advance(Milliseconds(7));
    late = loop.now();
  });
  loop.poll();
  EXPECT_EQ(early, before + Milliseconds(5));
  EXPECT_EQ(late, early);
  EXPECT_EQ(loop.now(), early + Milliseconds(7));
}

TEST(Loop, takes_tasks_from_other_threads_and_stops) {
  base::SystemClock clock;
  Loop loop(clock);
  int sum = 0;
  std::thread other([&] {
    for (int i = 0; i < 1000; ++i) loop.post([&] { ++sum; });
    loop.post([&] { loop.stop(); });
  });
  loop.run();
  other.join();
  EXPECT_EQ(sum, 1000);
}

struct AtTurnEnd final : TurnEnd {
  explicit AtTurnEnd(std::function<void()> task_) : task(std::move(task_)) {}
  void on_turn_end() override { task(); }
  std::function<void()> task;
};

TEST(TurnEnd, may_destroy_another_whose_turn_is_still_to_come) {
  base::SystemClock clock;
  Loop loop(clock);
  int calls = 0;
  auto second = std::make_unique<AtTurnEnd>([&] { ++calls; });
  AtTurnEnd first([&] { second.reset(); });
  AtTurnEnd third([&] { calls += 10; });
  loop.at_turn_end(first);
  loop.at_turn_end(*second);
  loop.at_turn_end(third);
  loop.poll();
  EXPECT_EQ(calls, 10);
}

TEST(TurnEnd, may_ask_for_another_round_for_itself_and_others) {
  base::SystemClock clock;
  Loop loop(clock);
  int firsts = 0;
  int seconds = 0;
  AtTurnEnd second([&] { ++seconds; });
  AtTurnEnd first([&] {
    if (++firsts < 3) loop.at_turn_end(first);
    loop.at_turn_end(second);
  });
  loop.at_turn_end(first);
  loop.at_turn_end(second);
  loop.poll();
  EXPECT_EQ(firsts, 3);
  EXPECT_EQ(seconds, 2);
}

struct Noted final : TurnEnd {
  explicit Noted(std::function<void()> what_) : what(std::move(what_)) {}
  void on_turn_end() override { what(); }
  std::function<void()> what;
};

// An audit record is asked for in the same turn as the bytes it describes.
TEST(TurnEnd, first_at_turn_end_comes_before_the_bytes_of_a_stream_that_became_writable_in_the_same_turn) {
  base::SystemClock clock;
  Loop loop(clock);
  Pair pair;
  Recorder recorder;
  Stream stream(loop, std::move(pair.ours), recorder);
  stream.write(std::string(1 << 20, 'x'));
  loop.poll();
  ASSERT_GT(stream.pending(), 0U);  // it waits until it can be written
  std::size_t left = 0;
  Noted record([&] { left = stream.pending(); });
  loop.post([&] {
    read_all(pair.theirs.get());
    stream.write("described");
    loop.first_at_turn_end(record);
  });
  const std::size_t before = stream.pending();
  read_all(pair.theirs.get());  // now it can be written, and is dispatched in the turn of the task
  loop.poll();
  EXPECT_EQ(left, before + std::string_view("described").size());
}

TEST(TurnEnd, first_at_turn_end_asked_for_at_the_end_of_a_turn_comes_before_those_still_to_come) {
  base::SystemClock clock;
  Loop loop(clock);
  std::string order;
  Noted record([&] { order += "record "; });
  Noted asks([&] {
    order += "asks ";
    loop.first_at_turn_end(record);
  });
  Noted sends([&] { order += "sends "; });
  loop.at_turn_end(asks);
  loop.at_turn_end(sends);
  loop.poll();
  EXPECT_EQ(order, "asks record sends ");
}

TEST(Acceptor, hands_over_every_connection) {
  base::SystemClock clock;
  Loop loop(clock);
  os::Fd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr address{};
  address.sa_family = AF_UNIX;  // autobind: an abstract name that the kernel picks
  ASSERT_EQ(::bind(listener.get(), &address, sizeof(sa_family_t)), 0);
  ASSERT_EQ(::listen(listener.get(), 100), 0);
  char room[128];
  socklen_t length = sizeof room;
  ASSERT_EQ(::getsockname(listener.get(), reinterpret_cast<sockaddr*>(room), &length), 0);
  std::vector<os::Fd> accepted;
  Acceptor acceptor(loop, std::move(listener), [&](os::Fd fd) { accepted.push_back(std::move(fd)); });
  std::vector<os::Fd> clients;
  for (int i = 0; i < 70; ++i) {
    clients.emplace_back(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    ASSERT_EQ(::connect(clients.back().get(), reinterpret_cast<sockaddr*>(room), length), 0);
  }
  for (int i = 0; i < 5; ++i) loop.poll();
  EXPECT_EQ(accepted.size(), 70U);
}

}  // namespace
}  // namespace clawql::io
