// Which era a process is spoken to in, and what differs in the modern one.
#include "engine/upstream/stdio_server_rig.hpp"

namespace clawql::engine::upstream {
namespace {

using namespace testing_support;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr std::string_view kInitialized =
    R"({"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"fake","version":"7"}})";
const std::string kClaim = R"("io.modelcontextprotocol/protocolVersion":"2026-07-28")";
const std::string kTools = R"({"tools":[)" + tool("echo") + R"(],"ttlMs":5000,"cacheScope":"public"})";

class StdioServerErasTest : public StdioServerRig {
 protected:
  // A server that speaks 2026-07-28 alone: its first process may have been bound to it by our question, so the second
  // is asked in the other order.
  void introduce_modern_only(const std::string& capabilities) {
    start();
    answer_discover(capabilities);
    refuse_only("initialize", -32022);
    EXPECT_EQ(server->state(), State::starting);
    EXPECT_THAT(launcher.asked.back(), testing::StartsWith("restart files"));
    die("ended as asked", 0);
    start();
    refuse_only("initialize", -32022);
    answer_discover(capabilities);
  }
  void make_ready_modern_only(const std::string& capabilities = R"({"tools":{},"logging":{}})") {
    introduce_modern_only(capabilities);
    answer_list(kTools);
    ASSERT_EQ(server->state(), State::ready);
    heard();
  }
  Features features() const { return server->offer()->features; }
};

TEST_F(StdioServerErasTest, a_server_that_discovers_and_initializes_speaks_both) {
  start();
  answer_discover();
  answer_only("initialize", kInitialized);
  answer_list(kTools);
  EXPECT_TRUE(features().speaks_handshake_era);
  EXPECT_TRUE(features().speaks_modern);
  EXPECT_EQ(server->describe().protocol_version, "2025-11-25");
  EXPECT_EQ(server->offer()->freshness[0], Freshness{}) << "in the handshake era nothing is said of it";
}

TEST_F(StdioServerErasTest, whatever_else_comes_for_discover_means_the_handshake_era) {
  const std::string answers[] = {R"("error":{"code":-32601,"message":"Method not found"})",
                                 R"("error":{"code":7,"message":"x"})",
                                 R"("result":{})",
                                 R"("result":{"supportedVersions":["2099-01-01"]})",
                                 R"("result":{"supportedVersions":7})",
                                 R"("result":7)"};
  for (const auto& text : answers) {
    make();
    start();
    const auto id = id_in(only_request("server/discover"));
    say(R"({"jsonrpc":"2.0","id":)" + std::to_string(id) + "," + text + "}");
    answer_only("initialize", kInitialized);
    answer_list(kTools);
    EXPECT_EQ(server->state(), State::ready) << text;
    EXPECT_FALSE(features().speaks_modern) << text;
  }
}

TEST_F(StdioServerErasTest, discover_is_given_two_seconds_and_not_asked_again_when_it_was_ignored) {
  start();
  only_request("server/discover");
  pass(base::Milliseconds(1'800));
  EXPECT_THAT(heard(), IsEmpty());
  pass(base::Milliseconds(300));
  answer_only("initialize", kInitialized);
  answer_list(kTools);
  EXPECT_EQ(server->state(), State::ready);
  EXPECT_FALSE(features().speaks_modern);
  die();
  start();
  answer_only("initialize", kInitialized);
}

TEST_F(StdioServerErasTest, a_late_answer_to_discover_counts_when_it_comes_before_the_one_to_initialize) {
  start();
  const auto probe = id_in(only_request("server/discover"));
  pass(base::Milliseconds(2'200));
  const auto initialize = id_in(only_request("initialize"));
  say(answer(probe, R"({"supportedVersions":["2026-07-28"],"capabilities":{}})"));
  say(answer(initialize, kInitialized));
  answer_list(kTools);
  EXPECT_TRUE(features().speaks_modern);
}

TEST_F(StdioServerErasTest, a_server_that_dies_of_discover_is_started_once_more_and_not_asked) {
  RecordingSink sink;
  call(sink);
  start();
  only_request("server/discover");
  die("exited with status 1");
  EXPECT_EQ(server->state(), State::starting);
  EXPECT_FALSE(sink.over) << "the call waits for the next process";
  start();
  only_request("initialize");
  die("exited with status 1");
  EXPECT_EQ(server->state(), State::failed) << "that was not the reason";
  EXPECT_TRUE(sink.failure);
  start();
  only_request("server/discover");
  die("exited with status 1");
  EXPECT_EQ(server->state(), State::failed) << "one second chance is enough";
}

TEST_F(StdioServerErasTest, a_server_that_refuses_initialize_after_discover_is_spoken_to_in_the_modern_era) {
  introduce_modern_only(R"({"tools":{},"resources":{"subscribe":true},"tasks":{}})");
  const auto lines = heard();
  ASSERT_THAT(lines, SizeIs(3)) << "no notifications/initialized";
  for (const auto& line : lines) EXPECT_THAT(line, HasSubstr(R"("params":{"_meta":{)" + kClaim));
  say(answer(id_in(lines[0]), kTools));
  say(answer(id_in(lines[1]), R"({"resources":[],"ttlMs":-1,"cacheScope":"public"})"));
  say(error(id_in(lines[2]), -32601));
  EXPECT_EQ(server->state(), State::ready);
  EXPECT_EQ(server->offer()->freshness[1], (Freshness{.ttl_ms = 0, .is_public = true}));
  EXPECT_FALSE(features().tasks) << "tasks are declared in another way in this era";
}

TEST_F(StdioServerErasTest, a_server_that_discover_binds_to_the_modern_era_speaks_both_when_it_is_asked_otherwise) {
  RecordingSink sink;
  call(sink);
  start();
  answer_discover();
  refuse_only("initialize", -32022);
  die("ended as asked", 0);
  start();
  answer_only("initialize", kInitialized);
  answer_list(kTools);
  EXPECT_TRUE(features().speaks_handshake_era && features().speaks_modern);
  EXPECT_THAT(heard(), SizeIs(1)) << "the call that waited";
  EXPECT_EQ(observer.settled, 1);
  die();
  start();
  only_request("initialize");
}

TEST_F(StdioServerErasTest, a_modern_only_server_is_greeted_at_once_from_then_on) {
  make_ready_modern_only();
  die();
  start();
  answer_discover();
  answer_list(kTools);
  EXPECT_EQ(server->state(), State::ready);
  EXPECT_FALSE(features().speaks_handshake_era);
}

TEST_F(StdioServerErasTest, requests_of_the_modern_era_lose_their_claim_on_their_way_to_a_handshake_server) {
  make_ready();
  RecordingSink sink;
  call(sink, "1", "", "{" + kClaim + R"(,"k":1})");
  EXPECT_THAT(heard(), ElementsAre(HasSubstr(R"("arguments":{"n":1e400},"_meta":{"k":1}}})")));
}

TEST_F(StdioServerErasTest, a_modern_only_server_says_how_long_its_lists_may_be_kept) {
  make_ready_modern_only();
  EXPECT_FALSE(features().speaks_handshake_era);
  EXPECT_TRUE(features().speaks_modern);
  EXPECT_FALSE(features().tasks);
  const Freshness tools{.ttl_ms = 5000, .is_public = true};
  EXPECT_EQ(server->offer()->freshness[0], tools);
  EXPECT_EQ(server->describe().protocol_version, "2026-07-28");
  EXPECT_EQ(server->describe().server_version, "8");
}

TEST_F(StdioServerErasTest, requests_of_the_handshake_era_get_the_claim_on_their_way_to_a_modern_only_server) {
  make_ready_modern_only();
  server->set_log_level("info");
  EXPECT_THAT(heard(), IsEmpty()) << "there is no logging/setLevel";
  RecordingSink old, modern;
  const CallId first = *call(old, "1", "\"t\"");
  auto lines = heard();
  ASSERT_THAT(lines, SizeIs(1));
  EXPECT_THAT(lines[0], AllOf(HasSubstr(R"("_meta":{"progressToken":)" + std::to_string(first) + "," + kClaim),
                              HasSubstr(R"("io.modelcontextprotocol/logLevel":"info")")));
  call(modern, "1", "", "{" + kClaim + "}");
  lines = heard();
  ASSERT_THAT(lines, SizeIs(1));
  EXPECT_THAT(lines[0], HasSubstr(R"("_meta":{)" + kClaim + "}}")) << "its own claim, byte for byte";
}

TEST_F(StdioServerErasTest, calls_that_waited_for_its_start_get_the_claim_too) {
  RecordingSink old, modern;
  call(old);
  call(modern, "2", "", "{" + kClaim + "}");
  introduce_modern_only(R"({"tools":{}})");
  answer_list(kTools);
  const auto lines = heard();
  ASSERT_THAT(lines, SizeIs(2));
  EXPECT_THAT(lines[0], HasSubstr(R"("arguments":{"n":1e400},"_meta":{)" + kClaim));
  EXPECT_THAT(lines[1], HasSubstr(R"("_meta":{)" + kClaim + "}}"));
}

TEST_F(StdioServerErasTest, a_modern_instance_is_never_initialized) {
  role = {.kind = Role::Kind::modern, .instance = 9, .client_capabilities = "{}"};
  make();
  start();
  EXPECT_THAT(launcher.asked, ElementsAre("start files 9"));
  pass(base::Milliseconds(3'000));
  answer_discover(R"({"tools":{}})");
  EXPECT_THAT(heard(), ElementsAre(AllOf(HasSubstr("tools/list"), HasSubstr(kClaim))));
  make();
  start();
  refuse_only("server/discover");
  EXPECT_EQ(server->state(), State::failed);
  EXPECT_THAT(server->describe().reason, HasSubstr("server/discover"));
  EXPECT_EQ(launcher.asked.back(), "stop files 9");
}

TEST_F(StdioServerErasTest, a_modern_log_message_reaches_the_only_call_and_only_if_it_asked) {
  make_ready_modern_only();
  const std::string message = notification("notifications/message", R"({"level":"info","data":"x"})");
  RecordingSink silent, wants;
  const CallId first = *call(silent, "1", "", "{" + kClaim + "}");
  say(message);
  EXPECT_THAT(silent.notifications, IsEmpty());
  EXPECT_THAT(observer.stray, SizeIs(1));
  say(answer(first));
  call(wants, "1", "", "{" + kClaim + R"(,"io.modelcontextprotocol/logLevel":"info"})");
  say(message);
  EXPECT_THAT(wants.notifications, SizeIs(1));
}

TEST_F(StdioServerErasTest, a_modern_server_may_ask_no_client_anything) {
  role = {.kind = Role::Kind::session, .instance = 3, .client_capabilities = R"({"sampling":{}})"};
  make();
  start();
  refuse_only("initialize", -32022);
  answer_discover(R"({"tools":{}})");
  answer_list(kTools);
  ASSERT_EQ(server->state(), State::ready);
  heard();
  say(R"({"jsonrpc":"2.0","id":1,"method":"sampling/createMessage","params":{}})");
  EXPECT_THAT(observer.requests, IsEmpty());
  EXPECT_THAT(heard(), ElementsAre(HasSubstr("-32601")));
}

}  // namespace
}  // namespace clawql::engine::upstream
