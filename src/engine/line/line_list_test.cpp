// Lists, what changes in them, and the streams on which that is said.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/line/line_checks.hpp"

namespace clawql::engine::line {
namespace {

using base::Reason;
using testing::HasSubstr;
using testing_support::call;
using testing_support::DoorStream;
using testing_support::expect_refused;
using testing_support::FakeServer;
using testing_support::kList;
using testing_support::Rig;
using testing_support::tool;

TEST(ToolsList, shows_every_server_in_order_with_only_the_name_changed) {
  Rig rig;
  rig.serve("b", "b__", {R"({ "inputSchema":{"$defs":{"x":1e2}}, "name":"o\u006ee" , "z":[ 1 ]})"});
  rig.serve("a", "", {tool("two")});
  const std::string session = rig.initialize();
  EXPECT_EQ(
      rig.post(kList, session).body,
      R"({"jsonrpc":"2.0","id":1,"result":{"tools":[{ "inputSchema":{"$defs":{"x":1e2}}, "name":"b__o\u006ee" , "z":[ 1 ]},{"name":"two","inputSchema":{"type":"object"}}]}})");
  FakeServer& server = rig.servers[0];
  rig.post(call("2", "b__one"), session);
  ASSERT_EQ(server.calls(), 1U);
  EXPECT_THAT(server.seen(0).text, HasSubstr(R"("name":"o\u006ee")"));
}

TEST(ToolsList, hides_the_later_of_two_and_says_so) {
  Rig rig;
  FakeServer& first = rig.serve("one", "", {tool("same")});
  FakeServer& second = rig.serve("two", "", {tool("same"), tool("own")});
  const std::string session = rig.initialize();
  rig.post(call("1", "same"), session);
  rig.post(call("2", "own"), session);
  EXPECT_EQ(first.calls(), 1U);
  EXPECT_EQ(second.calls(), 1U);
  DoorStream& status =
      rig.send({}, {.route = ipc::Route::admin, .method = ipc::Method::get, .target = "/admin/status", .uid = 1});
  ASSERT_EQ(rig.admin_requests.size(), 1U);
  EXPECT_EQ(rig.admin_requests[0].operation, "status");
  rig.shard->admin_answer({.token = rig.admin_requests[0].token, .ok = true, .text = R"({"up":1})"});
  rig.run();
  EXPECT_THAT(status.body, HasSubstr(R"({"supervisor":{"up":1},"engine":{"sessions":1,"principals":1,)"));
  EXPECT_THAT(status.body, HasSubstr(R"("hidden":[{"list":"tools","item":"same","owner":"two","hidden_by":"one"}])"));
}

TEST(ToolsList, comes_in_pages_whose_cursors_nobody_can_make_up) {
  Rig rig;
  std::vector<std::string> tools;
  tools.reserve(1500);
  for (int i = 0; i < 1500; ++i) tools.push_back(tool("t" + std::to_string(i)));
  FakeServer& server = rig.serve("s", "s__", tools);
  const std::string session = rig.initialize();
  const auto page = [&](std::string_view cursor) -> DoorStream& {
    return rig.post(
        R"({"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"cursor":")" + std::string(cursor) + "\"}}",
        session);
  };
  const std::string first = rig.post(kList, session).body;
  EXPECT_THAT(first, HasSubstr("s__t999\""));
  EXPECT_EQ(first.find("s__t1000\""), std::string::npos);
  const auto document = json::Document::parse(first, {});
  const std::string cursor = *document->root().find("result").find("nextCursor").string();
  const std::string second = page(cursor).body;
  EXPECT_THAT(second, HasSubstr("[{\"name\":\"s__t1000\""));
  EXPECT_THAT(second, HasSubstr("s__t1499\""));
  EXPECT_EQ(second.find("nextCursor"), std::string::npos);

  std::string forged = cursor;
  forged[0] = forged[0] == '1' ? '2' : '1';
  for (const std::string& bad : {std::string("x"), std::string(), forged, cursor + "0"})
    expect_refused(rig, page(bad), 200, -32602, Reason::params_invalid);
  server.set_tools({tool("new")});
  rig.shard->on_offer_changed(server);
  expect_refused(rig, page(cursor), 200, -32602, Reason::params_invalid);
}

TEST(ToolsList, waits_for_servers_that_start_and_no_longer) {
  Rig rig;
  FakeServer& server = rig.serve("s", "s__", {});
  server.current = upstream::State::starting;
  server.starting = true;
  const std::string session = rig.initialize();
  DoorStream& list = rig.post(kList, session);
  DoorStream& early = rig.post(call("2", "s__t"), session);
  EXPECT_FALSE(list.ended);
  EXPECT_FALSE(early.ended);
  EXPECT_EQ(server.wakes, 2);
  server.set_tools({tool("t")});
  server.starting = false;
  server.current = upstream::State::ready;
  rig.shard->on_offer_changed(server);
  rig.shard->on_settled(server);
  rig.run();
  EXPECT_THAT(list.body, HasSubstr("s__t"));
  ASSERT_EQ(server.calls(), 1U);
  server.answer(0, "{}");
  rig.run();
  EXPECT_EQ(early.body, R"({"jsonrpc":"2.0","result":{},"id":2})");

  server.starting = true;  // stuck: it never says that it settled
  DoorStream& late = rig.post(kList, session);
  EXPECT_FALSE(late.ended);
  server.starting = false;
  rig.wait(std::chrono::seconds(1));
  EXPECT_TRUE(late.ended);
}

TEST(ListChanged, goes_once_to_one_stream_of_each_session) {
  Rig rig;
  FakeServer& server = rig.serve("s", "s__", {tool("t")});
  const std::string one = rig.initialize();
  const std::string two = rig.initialize();
  const std::string absent = rig.initialize();
  rig.wait(std::chrono::seconds(1));
  DoorStream& older = rig.get(one);
  DoorStream& newer = rig.get(one);
  DoorStream& other = rig.get(two);
  older.body = newer.body = other.body = {};  // what came of the first list, if it was announced
  server.set_tools({tool("t"), tool("u")});
  rig.shard->on_offer_changed(server);
  rig.shard->on_offer_changed(server);
  rig.wait(std::chrono::seconds(1));
  const std::string changed = R"({"jsonrpc":"2.0","method":"notifications/tools/list_changed"})";
  EXPECT_EQ(older.body, "");
  EXPECT_EQ(newer.body, "event: message\nid: 2-1\ndata: " + changed + "\n\n");
  EXPECT_THAT(other.body, HasSubstr(changed));
  EXPECT_THAT(rig.get(absent).body, HasSubstr(changed)) << "who was away hears of it when it comes back";
  EXPECT_EQ(rig.get(absent).body, "retry: 1000\n\nid: 5-0\ndata: \n\n");
}

TEST(Streams, are_limited_a_session_and_stay_alive) {
  Rig rig;
  const std::string session = rig.initialize();
  for (int i = 0; i < 8; ++i) EXPECT_EQ(rig.get(session).status, 200);
  expect_refused(rig, rig.get(session), 429, 429, Reason::too_many_requests);
  for (int i = 0; i < 6; ++i) rig.wait(std::chrono::seconds(5));
  EXPECT_THAT(rig.streams[1].body, HasSubstr(":\n\n"));
  rig.door->cancel(rig.streams[1].stream);
  rig.run();
  EXPECT_EQ(rig.get(session).status, 200);
}

}  // namespace
}  // namespace clawql::engine::line
