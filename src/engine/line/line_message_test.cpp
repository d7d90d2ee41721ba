// Messages as such: what is none, what is not known, what comes in pieces.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/line/line_checks.hpp"

namespace clawql::engine::line {
namespace {

using base::Reason;
using testing::HasSubstr;
using testing_support::DoorStream;
using testing_support::expect_refused;
using testing_support::kPing;
using testing_support::Rig;

TEST(Message, that_is_not_json_is_400) {
  Rig rig;
  const std::string session = rig.initialize();
  for (const char* text : {"{", "{\"a\":1,\"a\":2}", "{} x", "\xff"})
    expect_refused(rig, rig.post(text, session), 400, -32700, Reason::json_invalid);
}

TEST(Message, that_is_not_json_rpc_is_400) {
  Rig rig;
  const std::string session = rig.initialize();
  for (const char* text :
       {"1", "{}", R"({"jsonrpc":"1.0","id":1,"method":"ping"})", R"({"jsonrpc":"2.0","id":null,"method":"ping"})",
        R"({"jsonrpc":"2.0","id":1.5,"method":"ping"})", R"({"jsonrpc":"2.0","id":true,"method":"ping"})",
        R"({"jsonrpc":"2.0","id":1,"method":7})", R"({"jsonrpc":"2.0","id":1,"method":"ping","result":{}})",
        R"({"jsonrpc":"2.0","id":1})", R"({"jsonrpc":"2.0","id":1,"result":{},"error":{}})"})
    expect_refused(rig, rig.post(text, session), 400, -32600, Reason::message_invalid);
  const std::string long_id = R"({"jsonrpc":"2.0","id":")" + std::string(255, 'x') + R"(","method":"ping"})";
  expect_refused(rig, rig.post(long_id, session), 400, -32600, Reason::message_invalid);
}

TEST(Message, with_an_unknown_method_is_answered_with_its_id) {
  Rig rig;
  const std::string session = rig.initialize();
  DoorStream& stream = rig.post(R"({"jsonrpc":"2.0","id":"q","method":"no/such"})", session);
  expect_refused(rig, stream, 200, -32601, Reason::method_unknown);
  EXPECT_THAT(stream.body, HasSubstr(R"("id":"q")"));
}

TEST(Message, notifications_and_responses_get_202_and_nothing_else) {
  Rig rig;
  const std::string session = rig.initialize();
  for (const char* text :
       {R"({"jsonrpc":"2.0","method":"notifications/initialized"})", R"({"jsonrpc":"2.0","method":"anything"})",
        R"({"jsonrpc":"2.0","id":9,"result":{}})", R"({"jsonrpc":"2.0","error":{"code":-1,"message":"x"}})"}) {
    DoorStream& stream = rig.post(text, session);
    EXPECT_EQ(stream.status, 202) << text;
    EXPECT_EQ(stream.body, "");
    EXPECT_TRUE(stream.ended);
  }
}

TEST(Ping, is_answered_with_the_id_as_it_was_written) {
  Rig rig;
  const std::string session = rig.initialize();
  for (const char* id : {"1", "\"1\"", "123456789012345678901234567890", "\"\\u0041\\/\"", "-0", "\"\""})
    EXPECT_EQ(rig.post(R"({"jsonrpc":"2.0","id":)" + std::string(id) + R"(,"method":"ping"})", session).body,
              R"({"jsonrpc":"2.0","id":)" + std::string(id) + R"(,"result":{}})");
}

TEST(Body, over_the_limit_is_refused_before_it_is_whole) {
  base::Limits limits;
  limits.request_body = 1000;
  Rig rig(limits);
  DoorStream& stream = rig.open(std::string(900, ' '), {}, true);
  rig.run();
  EXPECT_GT(stream.body_credit, 0U);
  rig.more(stream, std::string(200, ' '));
  EXPECT_EQ(stream.reset, Reason::body_too_large);
  EXPECT_EQ(rig.refusals(Reason::body_too_large), 1U);
  EXPECT_TRUE(rig.audited({"refused", "limit.body"}));
}

TEST(Body, in_pieces_is_one_message) {
  Rig rig;
  const std::string session = rig.initialize();
  DoorStream& stream = rig.open(kPing.substr(0, 5), {.session = session}, true);
  rig.run();
  for (const char c : kPing.substr(5)) rig.more(stream, std::string_view(&c, 1));
  rig.door->end(stream.stream);
  rig.run();
  EXPECT_EQ(stream.body, R"({"jsonrpc":"2.0","id":1,"result":{}})");
}

}  // namespace
}  // namespace clawql::engine::line
