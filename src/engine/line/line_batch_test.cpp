// Batches of 2025-03-26.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/line/line_checks.hpp"
#include "engine/mcp/replies.hpp"

namespace clawql::engine::line {
namespace {

using base::Reason;
using testing_support::call;
using testing_support::DoorStream;
using testing_support::expect_refused;
using testing_support::FakeServer;
using testing_support::kPing;
using testing_support::Rig;
using testing_support::tool;

TEST(Batch, belongs_to_2025_03_26_alone_and_is_answered_as_one_array) {
  Rig rig;
  FakeServer& server = rig.serve("s", "s__", {tool("t")});
  const std::string session = rig.initialize("2025-03-26");
  const std::string batch = "[" + std::string(kPing) + R"(,{"jsonrpc":"2.0","method":"notifications/initialized"},)" +
                            call("2", "s__t") + R"(,{"jsonrpc":"2.0","id":3,"method":"no"}])";
  DoorStream& stream = rig.post(batch, session);
  EXPECT_FALSE(stream.ended);
  server.answer(0, "{}");
  rig.run();
  EXPECT_TRUE(stream.ended);
  EXPECT_EQ(stream.body,
            "["
            R"({"jsonrpc":"2.0","id":1,"result":{}},)" +
                mcp::error_response("3", Reason::method_unknown) + R"(,{"jsonrpc":"2.0","result":{},"id":2}])");
  for (const char* version : {"2024-11-05", "2025-06-18", "2025-11-25"})
    expect_refused(rig, rig.post(batch, rig.initialize(version)), 400, -32600, Reason::message_invalid);
}

TEST(Batch, of_notifications_alone_gets_202) {
  Rig rig;
  const std::string session = rig.initialize("2025-03-26");
  DoorStream& stream = rig.post(R"([{"jsonrpc":"2.0","method":"notifications/initialized"}])", session);
  EXPECT_EQ(stream.status, 202);
}

TEST(Batch, that_is_empty_or_holds_a_bad_element_is_refused_whole) {
  Rig rig;
  FakeServer& server = rig.serve("s", "s__", {tool("t")});
  const std::string session = rig.initialize("2025-03-26");
  for (const std::string& batch :
       {std::string("[]"), "[" + call("1", "s__t") + ",1]", "[[" + std::string(kPing) + "]]",
        std::string(R"([{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-03-26"}}])")})
    expect_refused(rig, rig.post(batch, session), 400, -32600, Reason::message_invalid);
  expect_refused(rig, rig.post("[" + call("1", "s__t") + "," + call("1", "s__t") + "]", session), 400, -32600,
                 Reason::request_id_in_use);
  EXPECT_EQ(server.calls(), 0U);
}

// Comparing all ids of a body with each other would hold up the shard for a minute.
TEST(Batch, with_more_requests_than_may_be_in_flight_is_refused_before_the_rest_is_looked_at) {
  Rig rig;
  const std::string session = rig.initialize("2025-03-26");
  std::string batch = "[";
  for (std::uint64_t id = 0; id <= base::Limits{}.in_flight_session; ++id)
    batch += R"({"jsonrpc":"2.0","method":"ping","id":)" + std::to_string(id) + "},";
  batch += std::string(kPing) + ",1]";  // an id that is in use, and an element that is no message
  expect_refused(rig, rig.post(batch, session), 429, 429, Reason::too_many_requests);
}

}  // namespace
}  // namespace clawql::engine::line
