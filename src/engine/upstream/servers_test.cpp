#include "engine/upstream/servers.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "engine/upstream/fake_process.hpp"
#include "engine/upstream/remote_call.hpp"

namespace clawql::engine::upstream {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class QuietObserver final : public Server::Observer {
 public:
  void on_offer_changed(Server&) override {}
  void on_settled(Server&) override {}
  void on_notification(Server&, const json::Document&) override {}
  void on_request(Server&, const json::Document&) override {}
};

class FailureSink final : public CallSink {
 public:
  void on_response(const json::Document&) override {}
  void on_notification(const json::Document&) override {}
  void on_failure(const base::Refusal& refusal) override { why = refusal.for_operator; }
  std::string why;
};

class ServersTest : public testing::Test {
 protected:
  ServersTest() { audit.set_file(os::Fd(::open("/dev/null", O_WRONLY | O_CLOEXEC))); }
  static ipc::ServerSettings entry(const std::string& name, std::string fingerprint = "1", bool eager = true) {
    return {.name = name, .prefix = name + "__", .eager = eager, .fingerprint = std::move(fingerprint)};
  }
  void apply(std::vector<ipc::ServerSettings> entries) {
    ipc::EngineSettings settings;
    settings.servers = std::move(entries);
    servers.apply(settings);
  }
  std::vector<std::string> names() const {
    std::vector<std::string> result;
    for (const auto& slot : servers.slots()) result.push_back(slot.server->name());
    return result;
  }

  base::FakeClock clock;
  io::Loop loop{clock};
  base::Logger log{-1, base::Logger::Format::json, "test", clock};
  telemetry::Registry metrics;
  audit::Log audit{{}, clock, 10, [] {}};
  testing_support::FakeLauncher launcher;
  testing_support::FakeProcess process;
  QuietObserver observer;
  Servers servers{{loop, launcher, observer, log, metrics, &audit}, 0};
};

TEST_F(ServersTest, stand_in_configuration_order_after_the_built_in_one) {
  apply({entry("b"), entry("a", "1", false), entry("c")});
  EXPECT_THAT(names(), ElementsAre("clawql", "b", "a", "c"));
  EXPECT_THAT(launcher.asked, IsEmpty()) << "nothing starts before the lock-down";
  servers.start_eager();
  EXPECT_THAT(launcher.asked, ElementsAre("start b", "start c"));
  servers.start_eager();
  EXPECT_THAT(launcher.asked, ElementsAre("start b", "start c"));
  ASSERT_NE(servers.find("a"), nullptr);
  EXPECT_EQ(servers.find("a")->state(), State::stopped);
  EXPECT_EQ(servers.find("x"), nullptr);
  EXPECT_EQ(servers.describe().size(), 4U);
  EXPECT_EQ(servers.describe()[0].kind, "built-in");
}

TEST_F(ServersTest, a_reload_touches_only_what_changed) {
  apply({entry("same"), entry("changed"), entry("gone")});
  servers.start_eager();
  Server* const same = servers.find("same");
  Server* const changed = servers.find("changed");
  Server* const gone = servers.find("gone");
  FailureSink of_gone;
  const std::string text = R"({"jsonrpc":"2.0","id":1,"method":"x"})";
  ASSERT_TRUE(gone->call({.text = text,
                          .id = std::string_view(text).substr(text.find("1,"), 1),
                          .progress_token = {},
                          .edits = {},
                          .principal = {}},
                         of_gone));
  launcher.asked.clear();
  apply({entry("new"), entry("changed", "2"), entry("same")});
  servers.start_eager();
  EXPECT_THAT(names(), ElementsAre("clawql", "new", "changed", "same"));
  EXPECT_EQ(servers.find("same"), same);
  EXPECT_EQ(servers.find("changed"), changed);
  EXPECT_THAT(of_gone.why, HasSubstr("removed from the configuration"));
  EXPECT_EQ(gone->state(), State::stopped) << "still valid in this turn";
  EXPECT_THAT(launcher.asked, ElementsAre("stop gone", "restart changed", "start new"));
  while (loop.poll() != 0) {
  }
}

TEST_F(ServersTest, reports_reach_the_server_by_name_and_the_audit_log) {
  apply({entry("a")});
  servers.start_eager();
  servers.started("unknown", process.spawn(1));
  EXPECT_TRUE(audit.recent("", 10).empty());
  servers.started("a", process.spawn(1));
  EXPECT_EQ(servers.describe()[1].starts, 1U);
  process.say(R"({"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"unknown method"}})");
  while (loop.poll() != 0) {
  }
  process.die();
  servers.exited({.name = "a", .incarnation = 1, .how = "exited with status 3", .retry_ms = 250});
  while (loop.poll() != 0) {
  }
  EXPECT_EQ(servers.find("a")->state(), State::failed);
  const auto events = audit.recent("", 10);
  ASSERT_EQ(events.size(), 2U);
  EXPECT_THAT(events[0], HasSubstr(R"("subtype":"server.started")"));
  EXPECT_THAT(events[1], AllOf(HasSubstr(R"("subtype":"server.exited")"), HasSubstr("exited with status 3")));
}

TEST_F(ServersTest, each_entry_has_a_second_process_for_clients_of_the_modern_era_that_runs_once_it_was_called) {
  apply({entry("a"), entry("b")});
  servers.start_eager();
  launcher.asked.clear();
  Server* const modern = servers.find(modern_key("a"));
  ASSERT_NE(modern, nullptr);
  EXPECT_EQ(modern, servers.slots()[1].modern);
  EXPECT_EQ(servers.slots()[0].modern, nullptr) << "the built-in one speaks both";
  EXPECT_EQ(servers.key_of(*modern), modern_key("a"));
  EXPECT_EQ(servers.key_of(*servers.find("a")), "a");
  modern->wake();
  ASSERT_THAT(launcher.asked, ElementsAre(testing::StartsWith("start a ")));
  const std::uint64_t instance = std::stoull(launcher.asked[0].substr(8));
  EXPECT_NE(instance, kShared);
  auto pipes = process.spawn(1);
  pipes.instance = instance;
  servers.started("a", std::move(pipes));
  EXPECT_EQ(modern->describe().starts, 1U);
  EXPECT_EQ(servers.find("a")->describe().starts, 0U);
  while (loop.poll() != 0) {
  }
  EXPECT_THAT(process.heard(), ElementsAre(HasSubstr("server/discover")));
  servers.exited({.name = "a", .instance = instance, .incarnation = 1, .how = "exited with status 1", .retry_ms = 9});
  process.die();
  while (loop.poll() != 0) {
  }
  EXPECT_EQ(modern->state(), State::failed);
  EXPECT_EQ(servers.find("a")->state(), State::starting);
}

TEST_F(ServersTest, an_instance_that_is_not_in_use_is_stopped) {
  apply({entry("a")});
  auto pipes = process.spawn(1);
  pipes.instance = 99;
  servers.started("a", std::move(pipes));
  servers.exited({.name = "a", .instance = 99, .incarnation = 1, .how = "x", .retry_ms = 0});
  EXPECT_THAT(launcher.asked, ElementsAre("stop a 99"));
}

TEST_F(ServersTest, a_changed_entry_lets_go_of_its_modern_process_and_takes_a_fresh_number) {
  apply({entry("a"), entry("gone")});
  Server* const modern = servers.find(modern_key("a"));
  modern->wake();
  servers.find(modern_key("gone"))->wake();
  ASSERT_THAT(launcher.asked, testing::SizeIs(2));
  const std::string before = launcher.asked[0].substr(6);
  const std::string gone = launcher.asked[1].substr(6);
  launcher.asked.clear();
  FailureSink sink;
  const std::string text = R"({"jsonrpc":"2.0","id":1,"method":"x"})";
  modern->call({.text = text, .id = std::string_view(text).substr(text.find("1,"), 1), .modern = true}, sink);
  apply({entry("a", "2")});
  EXPECT_THAT(launcher.asked, ElementsAre("stop gone", "stop " + gone, "stop " + before));
  EXPECT_THAT(sink.why, HasSubstr("changed"));
  EXPECT_EQ(servers.find(modern_key("a")), modern);
  EXPECT_EQ(modern->state(), State::stopped);
  modern->wake();
  EXPECT_THAT(launcher.asked.back(), testing::StartsWith("start a "));
  EXPECT_NE(launcher.asked.back(), "start " + before);
  while (loop.poll() != 0) {
  }
}

TEST_F(ServersTest, the_late_report_of_an_earlier_engines_process_fails_nobody) {
  apply({entry("a")});
  servers.start_eager();
  servers.exited({.name = "a", .incarnation = 4, .how = "killed by SIGTERM", .retry_ms = 1});
  EXPECT_EQ(servers.find("a")->state(), State::starting);
  servers.exited({.name = "a", .incarnation = 5, .how = "could not be started: no such user", .retry_ms = 250});
  EXPECT_EQ(servers.find("a")->state(), State::failed);
}

TEST(ShardOf, spreads_servers_and_is_the_same_everywhere) {
  EXPECT_EQ(shard_of("files", 1), 0U);
  EXPECT_EQ(shard_of("", 1), 0U);
  EXPECT_EQ(shard_of("a", 1'000'000'007), 0xE40C292CU % 1'000'000'007U) << "FNV-1a's published value for \"a\"";
  std::set<std::uint32_t> used;
  for (int i = 0; i < 100; ++i) used.insert(shard_of("server" + std::to_string(i), 4));
  EXPECT_EQ(used.size(), 4U);
}

}  // namespace
}  // namespace clawql::engine::upstream
