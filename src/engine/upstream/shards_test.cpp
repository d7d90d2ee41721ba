// A server of one shard as another shard uses it: Imports, RemoteServer and Exports, on two loops of one thread.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/upstream/exports.hpp"
#include "engine/upstream/imports.hpp"
#include "engine/upstream/servers.hpp"

namespace clawql::engine::upstream {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class PlainServer final : public Server {
 public:
  const std::string& name() const override { return name_; }
  const std::string& prefix() const override { return name_; }
  State state() const override { return State::ready; }
  bool worth_waiting_for() const override { return false; }
  std::shared_ptr<const Offer> offer() const override { return offer_; }
  std::uint64_t generation() const override { return process; }
  Description describe() const override { return {.name = name_, .kind = "stdio"}; }
  std::optional<CallId> call(const OutgoingRequest& request, CallSink& sink) override {
    heard.push_back("call " + std::string(request.text) + (request.modern ? " modern" : "") +
                    (request.generation == 0 ? "" : " of process " + std::to_string(request.generation)));
    sink.on_request_refused("sampling");
    return 1;
  }
  void cancel(CallId, std::string_view) override {}
  void set_log_level(std::string_view) override {}
  void subscribe(std::string_view uri) override { heard.push_back("subscribe " + std::string(uri)); }
  void unsubscribe(std::string_view uri) override { heard.push_back("unsubscribe " + std::string(uri)); }
  void send(std::string_view message) override { heard.push_back("send " + std::string(message)); }
  std::vector<std::string> heard;
  std::uint64_t process = 0;

 private:
  const std::string name_ = "files";
  std::shared_ptr<const Offer> offer_ = std::make_shared<const Offer>();
};

class RecordingObserver final : public Server::Observer {
 public:
  void on_offer_changed(Server&) override {}
  void on_settled(Server&) override {}
  void on_notification(Server& server, const json::Document& message) override {
    told.push_back(static_cast<RemoteServer&>(server).key() + " " + std::string(message.text()));
  }
  void on_request(Server&, const json::Document&) override {}
  std::vector<std::string> told;
};

class RefusalSink final : public CallSink {
 public:
  void on_response(const json::Document&) override {}
  void on_notification(const json::Document&) override {}
  void on_failure(const base::Refusal&) override {}
  void on_request_refused(std::string_view feature) override { refused.emplace_back(feature); }
  std::vector<std::string> refused;
};

class ShardsTest : public testing::Test {
 protected:
  ShardsTest() {
    settings.shards = 2;
    // A name that the first shard owns.
    for (int i = 0; settings.servers.empty(); ++i)
      if (shard_of("s" + std::to_string(i), 2) == 0)
        settings.servers.push_back({.name = "s" + std::to_string(i), .eager = false});
    name = settings.servers[0].name;
    std::vector<Imports*> imports{&owners_imports, &user};
    std::vector<Exports*> exports{&owner, &users_exports};
    for (Exports* each : exports) each->connect(imports);
    for (Imports* each : imports) each->connect(exports);
    user.apply(settings);
    turn();
  }
  void turn() {
    while (owners_loop.poll() + users_loop.poll() != 0) {
    }
  }
  void notify(const std::string& key, std::string_view text) {
    const auto document = json::Document::parse(text, {});
    owner.notify(key, *document);
    turn();
  }

  base::FakeClock clock;
  io::Loop owners_loop{clock}, users_loop{clock};
  PlainServer server, modern;
  std::string name;
  RecordingObserver observer, owners_observer;
  Exports owner{owners_loop, 0, [this](std::string_view key) -> Server* {
                  return key == name ? &server : key == modern_key(name) ? &modern : nullptr;
                }};
  Exports users_exports{users_loop, 1, [](std::string_view) -> Server* { return nullptr; }};
  Imports owners_imports{owners_loop, 0, owners_observer};
  Imports user{users_loop, 1, observer};
  ipc::EngineSettings settings;
};

constexpr std::string_view kUpdated = R"({"method":"notifications/resources/updated","params":{"uri":"a:1"}})";
constexpr std::string_view kStatus = R"({"method":"notifications/tasks/status"})";
constexpr std::string_view kMessage = R"({"method":"notifications/message"})";

TEST_F(ShardsTest, a_subscription_goes_to_the_owner_once_and_changes_come_back_while_there_is_one) {
  Server* const remote = user.find(name);
  ASSERT_NE(remote, nullptr);
  notify(name, kUpdated);
  EXPECT_THAT(observer.told, IsEmpty());
  remote->subscribe("a:1");
  remote->subscribe("a:1");
  remote->subscribe("a:2");
  turn();
  EXPECT_THAT(server.heard, ElementsAre("subscribe a:1", "subscribe a:2"));
  remote->unsubscribe("a:1");
  remote->unsubscribe("a:2");
  turn();
  EXPECT_EQ(server.heard.back(), "unsubscribe a:2");
  notify(name, kUpdated);
  EXPECT_THAT(observer.told, ElementsAre(name + " " + std::string(kUpdated)));
  remote->unsubscribe("a:1");
  turn();
  EXPECT_EQ(server.heard.back(), "unsubscribe a:1");
  notify(name, kUpdated);
  EXPECT_EQ(observer.told.size(), 1U);
  EXPECT_THAT(owners_observer.told, IsEmpty());
}

TEST_F(ShardsTest, what_any_session_may_wait_for_reaches_every_shard_and_log_messages_none) {
  notify(name, kStatus);
  notify(name, kMessage);
  EXPECT_THAT(observer.told, ElementsAre(name + " " + std::string(kStatus)));
}

TEST_F(ShardsTest, a_log_message_of_a_task_reaches_every_shard) {
  const std::string message =
      R"({"method":"notifications/message","params":{"_meta":{"io.modelcontextprotocol/related-task":{"taskId":"1"}}}})";
  notify(name, message);
  EXPECT_THAT(observer.told, ElementsAre(name + " " + message));
}

TEST_F(ShardsTest, the_process_behind_a_server_is_known_to_every_shard_and_can_be_meant_alone) {
  server.process = 41;
  owner.publish(name, server);
  turn();
  EXPECT_EQ(user.find(name)->generation(), 41U);
  server.process = 42;
  owner.publish(name, server);
  turn();
  EXPECT_EQ(user.find(name)->generation(), 42U);
  const std::string text = R"({"id":1})";
  RefusalSink sink;
  user.find(name)->call({.text = text, .id = std::string_view(text).substr(6, 1), .generation = 41}, sink);
  turn();
  EXPECT_THAT(server.heard, ElementsAre("call " + text + " of process 41"));
}

TEST_F(ShardsTest, the_process_of_the_modern_era_is_another_server) {
  Server* const remote = user.find(modern_key(name));
  ASSERT_NE(remote, nullptr);
  EXPECT_NE(remote, user.find(name));
  const std::string text = R"({"id":1})";
  RefusalSink sink;
  remote->call({.text = text, .id = std::string_view(text).substr(6, 1), .modern = true}, sink);
  remote->send("{}");
  turn();
  EXPECT_THAT(modern.heard, ElementsAre("call " + text + " modern", "send {}"));
  EXPECT_THAT(server.heard, IsEmpty());
  EXPECT_THAT(sink.refused, ElementsAre("sampling"));
}

TEST_F(ShardsTest, a_server_that_left_and_came_back_has_no_old_subscriptions) {
  user.find(name)->subscribe("a:1");
  turn();
  ipc::EngineSettings without = settings;
  without.servers.clear();
  user.apply(without);
  user.apply(settings);
  turn();
  notify(name, kUpdated);
  EXPECT_THAT(observer.told, IsEmpty());
}

}  // namespace
}  // namespace clawql::engine::upstream
