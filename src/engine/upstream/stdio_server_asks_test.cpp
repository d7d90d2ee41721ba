// What a server asks of clients, and what clients want to hear from it, in the handshake era.
#include "engine/upstream/stdio_server_rig.hpp"

namespace clawql::engine::upstream {
namespace {

using namespace testing_support;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr std::string_view kSampling = R"({"jsonrpc":"2.0","id":"s","method":"sampling/createMessage","params":{}})";
constexpr std::string_view kRoots = R"({"jsonrpc":"2.0","id":5,"method":"roots/list"})";

class StdioServerAsksTest : public StdioServerRig {
 protected:
  void make_ready_for_session(const std::string& declared) {
    role = {.kind = Role::Kind::session, .instance = 4, .client_capabilities = declared};
    make();
    start();
    EXPECT_THAT(only_request("initialize"), HasSubstr(R"("capabilities":)" + declared));
    say(answer(1, R"({"protocolVersion":"2025-11-25","capabilities":{}})"));
    ASSERT_EQ(server->state(), State::ready);
    heard();
  }
  void make_ready_with_resources(const std::string& capability) {
    start();
    answer_initialize("2025-11-25", R"({"resources":)" + capability + "}");
    for (const auto& line : heard())
      if (id_in(line) != 0) say(answer(id_in(line), R"({"resources":[],"resourceTemplates":[]})"));
    ASSERT_EQ(server->state(), State::ready);
  }
};

TEST_F(StdioServerAsksTest, a_request_for_a_declared_feature_reaches_the_client_and_its_answer_the_server) {
  make_ready_for_session(R"({"sampling":{}})");
  say(kSampling);
  EXPECT_THAT(observer.requests, ElementsAre(std::string(kSampling)));
  EXPECT_THAT(heard(), IsEmpty());
  server->send("{\"jsonrpc\":\"2.0\",\n\"id\":\"s\",\"result\":{}}");
  EXPECT_THAT(heard(), ElementsAre(R"({"jsonrpc":"2.0", "id":"s","result":{}})"));
  say(notification("notifications/cancelled", R"({"requestId":"s"})"));
  EXPECT_THAT(observer.stray, SizeIs(1)) << "it may take its request back";
  EXPECT_THAT(server->describe().not_offered, ElementsAre("elicitation", "roots"));
}

TEST_F(StdioServerAsksTest, a_feature_that_was_not_declared_is_refused_and_the_only_call_hears_of_it) {
  make_ready_for_session(R"({"roots":{},"sampling":true})");
  RecordingSink one, two;
  say(kSampling);
  const CallId first = *call(one);
  say(kSampling);
  EXPECT_THAT(one.refused, ElementsAre("sampling"));
  call(two);
  say(kSampling);
  EXPECT_THAT(one.refused, SizeIs(1)) << "it may be for either";
  EXPECT_THAT(two.refused, IsEmpty());
  one.then = [&] { server->cancel(first, ""); };
  EXPECT_THAT(observer.requests, IsEmpty());
  say(kRoots);
  EXPECT_THAT(observer.requests, SizeIs(1));
}

TEST_F(StdioServerAsksTest, a_server_of_many_clients_may_ask_none_whatever_its_role_says) {
  for (const auto kind : {Role::Kind::shared, Role::Kind::principal}) {
    role = {.kind = kind, .instance = 0, .client_capabilities = R"({"roots":{}})"};
    make();
    make_ready();
    RecordingSink sink;
    const CallId id = *call(sink);
    sink.then = [&] { server->cancel(id, "a modern client cannot wait for that"); };
    heard();
    say(kRoots);
    EXPECT_THAT(sink.refused, ElementsAre("roots"));
    EXPECT_THAT(observer.requests, IsEmpty());
    EXPECT_THAT(heard(), ElementsAre(HasSubstr("-32601"), HasSubstr("notifications/cancelled")));
    say(notification("notifications/cancelled", R"({"requestId":5})"));
    EXPECT_THAT(observer.stray, IsEmpty());
  }
}

TEST_F(StdioServerAsksTest, what_belongs_to_no_call_reaches_the_observer_and_everything_else_nobody) {
  make_ready();
  for (const auto* method : {"notifications/resources/updated", "notifications/tasks/status",
                             "notifications/elicitation/complete", "notifications/x", "notifications/initialized"})
    say(notification(method));
  EXPECT_THAT(observer.stray, ElementsAre(HasSubstr("updated"), HasSubstr("status"), HasSubstr("complete")));
}

TEST_F(StdioServerAsksTest, the_first_subscription_is_sent_and_the_last_one_taken_back) {
  make_ready_with_resources(R"({"subscribe":true})");
  EXPECT_TRUE(server->offer()->features.subscribe);
  server->subscribe("test://\"a\"");
  server->subscribe("test://\"a\"");
  EXPECT_THAT(only_request("resources/subscribe"), HasSubstr(R"("params":{"uri":"test://\"a\""})"));
  server->unsubscribe("test://\"a\"");
  server->unsubscribe("never");
  EXPECT_THAT(heard(), IsEmpty());
  server->unsubscribe("test://\"a\"");
  only_request("resources/unsubscribe");
}

TEST_F(StdioServerAsksTest, subscriptions_outlive_the_process_and_wait_for_the_first) {
  server->subscribe("test://early");
  make_ready_with_resources(R"({"subscribe":true})");
  only_request("resources/subscribe");
  server->subscribe("test://late");
  die();
  server->unsubscribe("test://early");
  make_ready_with_resources(R"({"subscribe":true})");
  EXPECT_THAT(only_request("resources/subscribe"), HasSubstr("test://late"));
}

TEST_F(StdioServerAsksTest, a_server_without_subscriptions_is_sent_none) {
  make_ready_with_resources("{}");
  server->subscribe("test://a");
  server->unsubscribe("test://a");
  EXPECT_THAT(heard(), IsEmpty());
}

TEST_F(StdioServerAsksTest, messages_of_clients_are_dropped_when_it_does_not_run) {
  server->send(R"({"jsonrpc":"2.0","method":"notifications/roots/list_changed"})");
  make_ready();
  EXPECT_THAT(heard(), IsEmpty());
}

}  // namespace
}  // namespace clawql::engine::upstream
