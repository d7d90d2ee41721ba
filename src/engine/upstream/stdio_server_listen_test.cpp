// What a process of 2026-07-28 is asked to tell.
#include "engine/upstream/stdio_server_rig.hpp"

namespace clawql::engine::upstream {
namespace {

using namespace testing_support;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

const std::string kAll = R"({"tools":{"listChanged":true},"prompts":{"listChanged":true},)"
                         R"("resources":{"subscribe":true,"listChanged":true}})";

std::string listened(std::string_view method, std::uint64_t listen, const std::string& members = "") {
  return notification(
      method, "{" + members + R"("_meta":{"io.modelcontextprotocol/subscriptionId":)" + std::to_string(listen) + "}}");
}

class StdioServerListenTest : public StdioServerRig {
 protected:
  StdioServerListenTest() {
    role = {.kind = Role::Kind::modern, .instance = 1, .client_capabilities = "{}"};
    make();
  }
  void start_with(const std::string& capabilities) {
    start();
    answer_discover(capabilities);
    for (const auto& line : heard())
      say(answer(id_in(line), R"({"tools":[],"resources":[],"resourceTemplates":[],"prompts":[]})"));
    ASSERT_EQ(server->state(), State::ready);
  }
  // The listen that was opened, acknowledged.
  std::uint64_t open_listen() {
    const auto id = id_in(only_request("subscriptions/listen"));
    say(listened("notifications/subscriptions/acknowledged", id, R"("notifications":{},)"));
    return id;
  }
};

TEST_F(StdioServerListenTest, it_asks_for_the_list_changes_that_the_server_declared) {
  start_with(kAll);
  EXPECT_THAT(only_request("subscriptions/listen"),
              HasSubstr(R"("params":{"notifications":{"toolsListChanged":true,"resourcesListChanged":true,)"
                        R"("promptsListChanged":true},"_meta":{"io.modelcontextprotocol/protocolVersion")"));
}

TEST_F(StdioServerListenTest, a_server_that_declared_none_is_asked_for_nothing) {
  start_with(R"({"tools":{},"resources":{}})");
  server->subscribe("test://a");
  EXPECT_THAT(heard(), IsEmpty());
}

TEST_F(StdioServerListenTest, another_set_of_resources_opens_a_new_listen_before_the_old_one_is_cancelled) {
  start_with(kAll);
  const auto first = open_listen();
  server->subscribe("test://a");
  server->subscribe("test://b");
  const auto line = only_request("subscriptions/listen");
  EXPECT_THAT(line, HasSubstr(R"("resourceSubscriptions":["test://a"]})"));
  const auto second = id_in(line);
  say(listened("notifications/resources/updated", first, R"("uri":"test://x",)"));
  EXPECT_THAT(observer.stray, SizeIs(1)) << "the old one counts until then";
  say(listened("notifications/subscriptions/acknowledged", second));
  const auto lines = heard();
  ASSERT_THAT(lines, SizeIs(2));
  EXPECT_THAT(lines[0], HasSubstr(R"("notifications/cancelled","params":{"requestId":)" + std::to_string(first)));
  EXPECT_THAT(lines[1], HasSubstr(R"("resourceSubscriptions":["test://a","test://b"]})")) << "what came meanwhile";
  say(listened("notifications/resources/updated", first, R"("uri":"test://a",)"));
  EXPECT_THAT(observer.stray, SizeIs(1)) << "nothing comes twice";
  say(listened("notifications/resources/updated", second, R"("uri":"test://a",)"));
  EXPECT_THAT(observer.stray, SizeIs(2));
}

TEST_F(StdioServerListenTest, only_what_comes_on_the_listen_counts) {
  start_with(kAll);
  const auto id = open_listen();
  pass(base::Milliseconds(2'000));
  say(notification("notifications/tools/list_changed"));
  say(listened("notifications/tools/list_changed", id + 1));
  say(notification("notifications/resources/updated", R"({"uri":"test://a"})"));
  EXPECT_THAT(heard(), IsEmpty());
  EXPECT_THAT(observer.stray, IsEmpty());
  say(listened("notifications/tools/list_changed", id));
  only_request("tools/list");
}

TEST_F(StdioServerListenTest, a_listen_that_the_server_ends_is_opened_again_and_one_that_it_refuses_is_not) {
  start_with(kAll);
  const auto first = open_listen();
  say(answer(first, R"({"resultType":"complete"})"));
  EXPECT_THAT(heard(), IsEmpty());
  pass(base::Milliseconds(1'200));
  const auto second = open_listen();
  say(notification("notifications/cancelled", R"({"requestId":)" + std::to_string(second) + "}"));
  pass(base::Milliseconds(1'200));
  refuse_only("subscriptions/listen");
  pass(base::Milliseconds(60'000));
  EXPECT_THAT(heard(), IsEmpty());
}

TEST_F(StdioServerListenTest, subscriptions_are_there_again_after_a_restart) {
  start_with(kAll);
  open_listen();
  server->subscribe("test://a");
  open_listen();
  die();
  start_with(kAll);
  EXPECT_THAT(only_request("subscriptions/listen"), HasSubstr(R"("resourceSubscriptions":["test://a"])"));
}

TEST_F(StdioServerListenTest, an_answer_that_cannot_be_read_still_fails_the_only_call_while_a_listen_is_open) {
  start_with(kAll);
  open_listen();
  RecordingSink sink;
  say(R"({"jsonrpc":"2.0","id":)" + std::to_string(*call(sink)) + R"(,"result":{},"result":{}})");
  EXPECT_TRUE(sink.failure);
}

}  // namespace
}  // namespace clawql::engine::upstream
