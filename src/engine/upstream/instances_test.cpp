// Instances for sessions and principals, by the reports of a supervisor that the test plays.
#include "engine/upstream/instances.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "engine/upstream/fake_process.hpp"

namespace clawql::engine::upstream {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;
using testing::StartsWith;

class Recorder final : public Server::Observer {
 public:
  void on_offer_changed(Server&) override { ++offers; }
  void on_settled(Server&) override { ++settled; }
  void on_notification(Server&, const json::Document&) override {}
  void on_request(Server& server, const json::Document& message) override {
    asker = &server;
    requests.emplace_back(message.text());
  }
  int offers = 0, settled = 0;
  Server* asker = nullptr;
  std::vector<std::string> requests;
};

class Sink final : public CallSink {
 public:
  void on_response(const json::Document& message) override { answer = message.text(); }
  void on_notification(const json::Document&) override {}
  void on_failure(const base::Refusal& refusal) override { reason = refusal.reason; }
  std::string answer;
  std::optional<base::Reason> reason;
};

class InstancesTest : public testing::Test {
 protected:
  InstancesTest() { apply("1"); }
  void apply(const std::string& fingerprint, std::uint32_t most = 2) {
    ipc::EngineSettings settings;
    settings.servers = {{.name = "box",
                         .prefix = "box__",
                         .fingerprint = fingerprint,
                         .isolation = "session",
                         .max_instances = most,
                         .instance_idle_seconds = 60}};
    instances.apply(settings);
  }
  std::unique_ptr<OwnServer> make(const std::string& capabilities = "{}") {
    return instances.make({.entry = "box", .client_capabilities = capabilities, .owner = "session 1"}, observer);
  }
  void turn() {
    while (loop.poll() != 0) {
    }
  }
  std::uint64_t last_number() const {
    return std::stoull(launcher.asked.back().substr(launcher.asked.back().rfind(' ')));
  }
  // The last that was asked for runs, and says that it offers this.
  void run(const std::string& tool) {
    const std::uint64_t number = last_number();
    auto pipes = process.spawn(1);
    pipes.instance = number;
    Instance* const found = instances.find("box", number);
    ASSERT_NE(found, nullptr);
    found->started(std::move(pipes));
    turn();
    handshake = process.heard();
    ASSERT_THAT(handshake, SizeIs(1));
    answer(handshake[0], R"({"protocolVersion":"2025-11-25","capabilities":{"tools":{}}})");
    const auto lines = process.heard();
    ASSERT_THAT(lines, Not(IsEmpty()));
    answer(lines.back(), R"({"tools":[{"name":")" + tool + R"(","inputSchema":{"type":"object"}}]})");
    process.heard();
  }
  void answer(const std::string& request, const std::string& result) {
    const auto document = json::Document::parse(request, {});
    process.say(R"({"jsonrpc":"2.0","id":)" + std::string(document->root().find("id").raw()) + R"(,"result":)" +
                result + "}");
    turn();
  }
  std::optional<CallId> call(OwnServer& server, Sink& sink) {
    static const std::string text = R"({"jsonrpc":"2.0","id":1,"method":"tools/call"})";
    return server.call({.text = text, .id = std::string_view(text).substr(text.find("1,"), 1)}, sink);
  }
  void pass(std::chrono::seconds time) {
    clock.advance(time);
    turn();
  }
  static void retire(std::unique_ptr<OwnServer> server) { server->end(); }

  base::FakeClock clock;
  io::Loop loop{clock};
  base::Logger log{-1, base::Logger::Format::json, "test", clock};
  telemetry::Registry metrics;
  testing_support::FakeLauncher launcher;
  testing_support::FakeProcess process;
  Recorder observer;
  InstanceCounts counts;
  Instances instances{{loop, launcher, log, metrics, counts}, 3};
  std::vector<std::string> handshake;
};

TEST_F(InstancesTest, start_when_they_are_woken_under_numbers_that_name_their_shard_and_never_come_twice) {
  const auto first = make(), second = make();
  EXPECT_THAT(launcher.asked, IsEmpty());
  first->wake();
  const std::uint64_t number = last_number();
  first->wake();
  second->wake();
  EXPECT_THAT(launcher.asked, ElementsAre(StartsWith("start box "), StartsWith("start box ")));
  EXPECT_NE(last_number(), number);
  EXPECT_EQ(shard_of_instance(number), 3U);
  EXPECT_EQ(shard_of_instance(last_number()), 3U);
  EXPECT_EQ(instances.find("box", number), first.get());
  EXPECT_EQ(instances.find("other", number), nullptr);
  EXPECT_EQ(instances.make({.entry = "unknown"}, observer), nullptr);
}

TEST_F(InstancesTest, are_told_what_the_client_declared_and_ask_as_themselves) {
  const auto server = make(R"({"sampling":{}})");
  server->wake();
  run("ask");
  EXPECT_THAT(handshake, ElementsAre(HasSubstr(R"("capabilities":{"sampling":{}})")));
  EXPECT_EQ(server->offer()->list(ListKind::tools).size(), 1U);
  EXPECT_EQ(observer.settled, 1);
  process.say(R"({"jsonrpc":"2.0","id":9,"method":"sampling/createMessage","params":{}})");
  turn();
  EXPECT_EQ(observer.asker, server.get());
  EXPECT_THAT(observer.requests, SizeIs(1));
  server->send(R"({"jsonrpc":"2.0","id":9,"result":{}})");
  turn();
  EXPECT_THAT(process.heard(), ElementsAre(HasSubstr(R"("id":9)")));
}

TEST_F(InstancesTest, over_their_limit_calls_fail_and_the_end_of_another_makes_room) {
  const auto first = make(), second = make(), third = make();
  first->wake();
  second->wake();
  Sink sink;
  EXPECT_FALSE(call(*third, sink));
  EXPECT_EQ(sink.reason, base::Reason::instance_limit);
  EXPECT_TRUE(third->is_over_limit());
  EXPECT_THAT(launcher.asked, SizeIs(2));
  first->end();
  EXPECT_TRUE(call(*third, sink));
  EXPECT_FALSE(third->is_over_limit());
  EXPECT_THAT(launcher.asked,
              ElementsAre(StartsWith("start"), StartsWith("start"), StartsWith("stop"), StartsWith("start")));
  first->wake();
  EXPECT_THAT(launcher.asked, SizeIs(4)) << "an ended one stays so";
}

TEST_F(InstancesTest, end_when_idle_keep_their_lists_and_start_anew_with_the_next_call) {
  const auto server = make();
  Sink sink;
  call(*server, sink);
  const std::uint64_t number = last_number();
  run("ask");
  pass(std::chrono::seconds(61));
  EXPECT_EQ(server->state(), State::ready) << "a call is in flight";
  process.say(R"({"jsonrpc":"2.0","id":1,"result":{}})");
  pass(std::chrono::seconds(200));
  EXPECT_EQ(launcher.asked.back(), "stop box " + std::to_string(number));
  EXPECT_EQ(server->state(), State::stopped);
  EXPECT_EQ(server->offer()->list(ListKind::tools).size(), 1U);
  EXPECT_FALSE(server->worth_waiting_for());
  const std::uint64_t generation = server->generation();
  Sink next;
  call(*server, next);
  EXPECT_NE(last_number(), number);
  run("ask");
  EXPECT_GT(server->generation(), generation);
}

TEST_F(InstancesTest, that_work_at_a_task_are_kept_for_it_and_never_asked_about_a_task_of_another_process) {
  const auto server = make();
  server->wake();
  run("ask");
  server->keep_until(clock.monotonic() + std::chrono::seconds(300));
  server->keep_until(clock.monotonic() + std::chrono::seconds(10));
  const std::uint64_t process_of_task = server->generation();
  pass(std::chrono::seconds(290));
  EXPECT_EQ(server->state(), State::ready);
  pass(std::chrono::seconds(200));
  EXPECT_EQ(server->state(), State::stopped);
  const std::string text = R"({"jsonrpc":"2.0","id":1,"method":"tasks/get"})";
  Sink sink;
  const std::size_t asked = launcher.asked.size();
  EXPECT_FALSE(server->call({.text = text, .generation = process_of_task}, sink));
  EXPECT_EQ(sink.reason, base::Reason::task_lost);
  EXPECT_THAT(launcher.asked, SizeIs(asked)) << "nothing is started for it";
}

TEST_F(InstancesTest, of_a_changed_entry_start_anew_under_another_number) {
  const auto server = make();
  server->wake();
  const std::uint64_t number = last_number();
  run("ask");
  apply("2");
  EXPECT_EQ(launcher.asked.back(), "stop box " + std::to_string(number));
  EXPECT_TRUE(server->offer()->is_empty());
  server->wake();
  EXPECT_THAT(launcher.asked.back(), StartsWith("start box "));
  EXPECT_NE(last_number(), number);
  EXPECT_EQ(instances.find("box", number), nullptr);
}

TEST_F(InstancesTest, whose_process_dies_fail_their_calls_and_come_back) {
  const auto server = make();
  Sink sink;
  call(*server, sink);
  run("ask");
  const std::uint64_t number = last_number();
  process.die();
  turn();
  instances.find("box", number)
      ->exited({.name = "box", .instance = number, .incarnation = 1, .how = "killed by SIGKILL", .retry_ms = 250});
  turn();
  EXPECT_EQ(sink.reason, base::Reason::server_unavailable);
  EXPECT_EQ(server->state(), State::starting);
  EXPECT_EQ(server->offer()->list(ListKind::tools).size(), 1U);
}

}  // namespace
}  // namespace clawql::engine::upstream
