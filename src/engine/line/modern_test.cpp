#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/line/line_rig.hpp"

namespace clawql::engine::line {
namespace {

using testing::HasSubstr;
using testing::Not;
using namespace testing_support;

std::string modern_call(std::string_view arguments, std::string_view capabilities = "{}") {
  return R"({"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t","arguments":)" + std::string(arguments) +
         R"(,"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28",)"
         R"("io.modelcontextprotocol/clientCapabilities":)" +
         std::string(capabilities) + "}}}";
}

Rig::Ask mirrored(std::vector<std::string> params = {}) {
  Rig::Ask ask{.version = "2026-07-28"};
  ask.fields = {{ipc::RequestField::mcp_method, "tools/call"}, {ipc::RequestField::mcp_name, "t"}};
  for (std::string& param : params) ask.fields.emplace_back(ipc::RequestField::mcp_param, std::move(param));
  return ask;
}

const std::string kAnnotated =
    R"({"name":"t","inputSchema":{"type":"object","properties":{"region":{"type":"string","x-mcp-header":"Region"}}}})";

TEST(Modern, an_argument_that_a_header_must_repeat_is_compared_with_it) {
  Rig rig;
  const FakeServer& server = rig.serve("one", "", {kAnnotated});
  const DoorStream& missing = rig.send(modern_call(R"({"region":"eu"})"), mirrored());
  EXPECT_EQ(missing.status, 400);
  EXPECT_THAT(missing.body, HasSubstr("-32020"));
  EXPECT_EQ(rig.send(modern_call(R"({"region":"eu"})"), mirrored({"Region: us"})).status, 400);
  EXPECT_EQ(server.calls(), 0U);
  rig.send(modern_call(R"({"region":"eu"})"), mirrored({"Region: eu"}));
  EXPECT_EQ(server.calls(), 1U);
  EXPECT_EQ(rig.refusals(base::Reason::header_mismatch), 2U);
}

TEST(Modern, waiting_for_a_server_that_starts_is_no_way_around_that) {
  Rig rig;
  FakeServer& server = rig.serve("one", "", {});
  server.starting = true;
  DoorStream& stream = rig.send(modern_call(R"({"region":"eu"})"), mirrored());
  EXPECT_EQ(stream.status, 0);
  server.starting = false;
  server.set_tools({kAnnotated});
  rig.shard->on_offer_changed(server);
  rig.shard->on_settled(server);
  rig.run();
  EXPECT_EQ(stream.status, 400);
  EXPECT_THAT(stream.body, HasSubstr("-32020"));
  EXPECT_EQ(server.calls(), 0U);
}

TEST(Modern, a_client_is_told_which_capability_a_server_missed) {
  Rig rig;
  FakeServer& server = rig.serve("one", "", {tool("t")});
  DoorStream& undeclared = rig.send(modern_call("{}"), mirrored());
  server.seen(0).sink->on_request_refused("sampling");
  server.answer(0, R"({"isError":true,"content":[]})");
  rig.run();
  EXPECT_EQ(undeclared.status, 400);
  EXPECT_THAT(undeclared.body, HasSubstr("-32021"));
  EXPECT_THAT(undeclared.body, HasSubstr(R"("requiredCapabilities":{"sampling":{}})"));
  DoorStream& declared = rig.send(modern_call("{}", R"({"sampling":{}})"), mirrored());
  server.seen(1).sink->on_request_refused("sampling");
  server.answer(1, R"({"isError":true,"content":[]})");
  rig.run();
  EXPECT_EQ(declared.status, 200);
  EXPECT_THAT(declared.body, Not(HasSubstr("-32021")));
}

std::string cancelled(std::string_view id) {
  return R"({"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":)" + std::string(id) + "}}\n";
}

TEST(Modern, on_lines_a_cancellation_needs_no_claim) {
  Rig rig;
  FakeServer& server = rig.serve("one", "", {tool("t")});
  DoorStream& stream = rig.lines(modern_call("{}") + "\n" + cancelled("2"));
  ASSERT_EQ(server.calls(), 1U);
  EXPECT_TRUE(server.cancelled.empty());  // another id
  rig.more(stream, cancelled("1"));
  ASSERT_EQ(server.cancelled.size(), 1U);
  EXPECT_EQ(server.cancelled[0].first, server.seen(0).id);
  EXPECT_EQ(stream.body, "");
}

TEST(Modern, such_a_cancellation_is_the_handshakes_where_that_has_the_id_in_flight_too) {
  Rig rig;
  FakeServer& server = rig.serve("one", "", {tool("t")});
  DoorStream& stream =
      rig.lines(R"({"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25"}})"
                "\n" +
                modern_call("{}") + "\n" + call("1", "t") + "\n");
  ASSERT_EQ(server.calls(), 2U);
  rig.more(stream, cancelled("1"));
  ASSERT_EQ(server.cancelled.size(), 1U);
  EXPECT_EQ(server.cancelled[0].first, server.seen(1).id);
  rig.more(stream, cancelled("1"));
  ASSERT_EQ(server.cancelled.size(), 2U);
  EXPECT_EQ(server.cancelled[1].first, server.seen(0).id);
}

}  // namespace
}  // namespace clawql::engine::line
