#include "engine/upstream/stdio_server_rig.hpp"

namespace clawql::engine::upstream {
namespace {

using namespace testing_support;
using base::Reason;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class StdioServerStartTest : public StdioServerRig {};

TEST_F(StdioServerStartTest, is_ready_after_the_handshake_and_all_pages_of_its_list) {
  EXPECT_EQ(server->state(), State::stopped);
  start();
  EXPECT_THAT(launcher.asked, ElementsAre("start files"));
  EXPECT_EQ(server->state(), State::starting);
  refuse_only("server/discover");
  const auto first = heard();
  ASSERT_THAT(first, SizeIs(1));
  EXPECT_EQ(first[0], R"({"jsonrpc":"2.0","id":2,"method":"initialize","params":{"protocolVersion":"2025-11-25",)"
                      R"("capabilities":{},"clientInfo":{"name":"clawql","version":")" CLAWQL_VERSION R"("}}})");
  say(answer(2, R"({"protocolVersion":"2025-06-18","capabilities":)" + kCapabilities +
                    R"(,"serverInfo":{"name":"fake","version":"7"}})"));
  const auto second = heard();
  ASSERT_THAT(second, SizeIs(2));
  EXPECT_EQ(second[0], R"({"jsonrpc":"2.0","method":"notifications/initialized"})");
  EXPECT_EQ(second[1], R"({"jsonrpc":"2.0","id":3,"method":"tools/list","params":{}})");
  say(answer(3, R"({"tools":[)" + tool("a") + R"(],"nextCursor":"p\u0032"})"));
  EXPECT_EQ(server->state(), State::starting);
  const auto third = heard();
  ASSERT_THAT(third, SizeIs(1));
  EXPECT_EQ(third[0], R"({"jsonrpc":"2.0","id":4,"method":"tools/list","params":{"cursor":"p\u0032"}})");
  say(answer(4, R"({"tools":[)" + tool("b") + "]}"));
  EXPECT_EQ(server->state(), State::ready);
  ASSERT_THAT(list(), SizeIs(2));
  EXPECT_EQ(list()[1].key, "b");
  EXPECT_EQ(observer.settled, 1);
  EXPECT_EQ(observer.offer_changed, 1);
  const Description described = server->describe();
  EXPECT_EQ(described.server_name, "fake");
  EXPECT_EQ(described.server_version, "7");
  EXPECT_EQ(described.protocol_version, "2025-06-18");
  EXPECT_EQ(described.tools, 2U);
  EXPECT_THAT(described.not_offered, ElementsAre("sampling", "elicitation", "roots"));
}

TEST_F(StdioServerStartTest, takes_every_handshake_revision_and_refuses_all_others) {
  for (const auto* version : {"2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"}) {
    make();
    start();
    answer_initialize(version);
    answer_list(R"({"tools":[]})");
    EXPECT_EQ(server->state(), State::ready) << version;
  }
  for (const auto* version : {"2026-07-28", "2024-10-07", "", "x\\u001b[31m"}) {
    make();
    launcher.asked.clear();
    start();
    answer_initialize(version);
    EXPECT_EQ(server->state(), State::failed) << version;
    EXPECT_THAT(server->describe().reason, HasSubstr("protocol version"));
    EXPECT_THAT(launcher.asked, ElementsAre("start files", "stop files"));
  }
}

TEST_F(StdioServerStartTest, a_refused_or_broken_handshake_fails_with_the_reason_and_stays_so_after_the_exit) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {R"({"jsonrpc":"2.0","id":2,"error":{"code":-32603,"message":"no license"}})", "error -32603: no license"},
      {R"({"jsonrpc":"2.0","id":2,"result":7})", "result that is no object"},
      {R"({"jsonrpc":"2.0","id":2,"result":{}})", "protocol version"}};
  for (const auto& [line, reason] : cases) {
    make();
    observer.settled = 0;
    start();
    refuse_only("server/discover");
    say(line);
    EXPECT_EQ(server->state(), State::failed);
    EXPECT_THAT(server->describe().reason, HasSubstr(reason));
    EXPECT_EQ(observer.settled, 1);
    die("exited with status 0", 0);
    EXPECT_EQ(server->state(), State::failed);
    EXPECT_THAT(server->describe().reason, HasSubstr(reason));
  }
}

TEST_F(StdioServerStartTest, a_server_without_tools_is_ready_with_none) {
  start();
  answer_initialize("2025-11-25", "{}");
  EXPECT_EQ(server->state(), State::ready);
  EXPECT_THAT(list(), IsEmpty());
  EXPECT_FALSE(server->offer()->features.logging);
}

TEST_F(StdioServerStartTest, a_list_waits_five_seconds_from_the_first_start_and_no_more) {
  EXPECT_FALSE(server->worth_waiting_for());
  start();
  EXPECT_TRUE(server->worth_waiting_for());
  pass(base::Milliseconds(4'900));
  EXPECT_TRUE(server->worth_waiting_for());
  pass(base::Milliseconds(200));
  EXPECT_FALSE(server->worth_waiting_for());
  EXPECT_EQ(server->state(), State::starting);
}

TEST_F(StdioServerStartTest, a_command_that_cannot_be_started_fails_every_waiting_call_and_every_later_one) {
  RecordingSink early, late;
  EXPECT_TRUE(call(early));
  EXPECT_THAT(launcher.asked, ElementsAre("start files"));
  server->exited(
      {.name = "files", .incarnation = 1, .how = "could not be started: npx: No such file", .retry_ms = 250});
  ASSERT_TRUE(early.failure);
  EXPECT_EQ(early.failure->reason, Reason::server_unavailable);
  EXPECT_THAT(early.failure->for_operator, HasSubstr("npx: No such file"));
  EXPECT_EQ(call(late), std::nullopt);
  ASSERT_TRUE(late.failure);
  EXPECT_EQ(late.failure->reason, Reason::server_unavailable);
}

TEST_F(StdioServerStartTest, a_handshake_that_takes_too_long_ends_in_a_restart) {
  limits.call_seconds = 20;
  make();
  start();
  pass(base::Milliseconds(19'000));
  EXPECT_EQ(server->state(), State::starting);
  pass(base::Milliseconds(1'500));
  EXPECT_EQ(server->state(), State::failed);
  EXPECT_THAT(launcher.asked, ElementsAre("start files", "restart files"));
}

TEST_F(StdioServerStartTest, calls_wait_for_a_slow_start_in_order_and_within_their_own_limit) {
  limits.call_seconds = 10;
  make();
  RecordingSink tired, first, gone, second;
  call(tired);
  pass(base::Milliseconds(5'000));
  start();
  EXPECT_THAT(launcher.asked, ElementsAre("start files")) << "asked for once";
  const CallId first_id = *call(first, "1");
  const CallId gone_id = *call(gone, "2");
  const CallId second_id = *call(second, "3");
  server->cancel(gone_id, "");
  answer_initialize();
  pass(base::Milliseconds(5'500));
  ASSERT_TRUE(tired.failure);
  EXPECT_EQ(tired.failure->reason, Reason::call_timeout);
  answer_list(R"({"tools":[]})");
  const auto lines = heard();
  ASSERT_THAT(lines, SizeIs(2));
  EXPECT_EQ(id_in(lines[0]), first_id);
  EXPECT_EQ(id_in(lines[1]), second_id);
  say(answer(second_id));
  EXPECT_TRUE(second.over);
  EXPECT_FALSE(gone.over);
}

TEST_F(StdioServerStartTest, so_many_calls_are_in_flight_and_no_more) {
  std::vector<std::unique_ptr<RecordingSink>> sinks;
  const std::size_t most = base::Limits{}.in_flight_server;
  for (std::size_t i = 0; i < most + 1; ++i) {
    sinks.push_back(std::make_unique<RecordingSink>());
    call(*sinks.back());
  }
  EXPECT_FALSE(sinks[most - 1]->over);
  ASSERT_TRUE(sinks.back()->failure);
  EXPECT_EQ(sinks.back()->failure->reason, Reason::too_many_requests);
}

}  // namespace
}  // namespace clawql::engine::upstream
