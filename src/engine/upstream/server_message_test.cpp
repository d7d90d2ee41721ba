#include "engine/upstream/server_message.hpp"

#include <gtest/gtest.h>

namespace clawql::engine::upstream {
namespace {

using Kind = ServerMessage::Kind;

TEST(ServerMessage, tells_answers_requests_and_notifications_apart) {
  const struct {
    std::string_view text;
    Kind kind;
    bool faulty;
  } cases[] = {
      {R"({"jsonrpc":"2.0","id":1,"result":{}})", Kind::answer, false},
      {R"({"result":{},"id":"x","jsonrpc":"2.0"})", Kind::answer, false},
      {R"({"jsonrpc":"2.0","id":-1,"error":{"code":-32601,"message":"no"}})", Kind::answer, false},
      {R"({"jsonrpc":"2.0","id":18446744073709551615,"result":{}})", Kind::answer, false},
      {R"({"jsonrpc":"2.0","id":1,"method":"ping"})", Kind::request, false},
      {R"({"jsonrpc":"2.0","method":"notifications/progress","params":{}})", Kind::notification, false},
      {R"({"j\u0073onrpc":"2.\u0030","\u006dethod":"x"})", Kind::notification, false},
      {R"({"jsonrpc":"2.0","id":1,"result":[]})", Kind::answer, true},
      {R"({"jsonrpc":"2.0","id":1,"result":{},"error":{"code":1,"message":"x"}})", Kind::answer, true},
      {R"({"jsonrpc":"2.0","id":1})", Kind::answer, true},
      {R"({"jsonrpc":"2.0","id":1,"error":"x"})", Kind::answer, true},
      {R"({"jsonrpc":"2.0","id":1,"error":{"code":1.5,"message":"x"}})", Kind::answer, true},
      {R"({"jsonrpc":"2.0","id":1,"error":{"code":1}})", Kind::answer, true},
      {R"({"jsonrpc":"2.0","id":null,"error":{"code":1,"message":"x"}})", Kind::nothing, true},
      {R"({"jsonrpc":"2.0","id":1.0,"result":{}})", Kind::nothing, true},
      {R"({"jsonrpc":"2.0","id":[1],"result":{}})", Kind::nothing, true},
      {R"({"jsonrpc":"2.0","id":1,"method":"x","result":{}})", Kind::nothing, true},
      {R"({"jsonrpc":"2.0","id":1,"method":7})", Kind::nothing, true},
      {R"({"jsonrpc":"2.0","method":"x","params":[1]})", Kind::nothing, true},
      {R"({"jsonrpc":"2.0"})", Kind::nothing, true},
      {R"({"jsonrpc":"1.0","id":1,"result":{}})", Kind::nothing, true},
      {R"({"id":1,"result":{}})", Kind::nothing, true},
      {R"([{"jsonrpc":"2.0","id":1,"result":{}}])", Kind::nothing, true},
      {R"("text")", Kind::nothing, true},
  };
  for (const auto& c : cases) {
    const auto document = json::Document::parse(c.text, {});
    ASSERT_TRUE(document) << c.text;
    const ServerMessage message = classify(*document);
    EXPECT_EQ(message.kind, c.kind) << c.text;
    EXPECT_EQ(!message.fault.empty(), c.faulty) << c.text << " " << message.fault;
  }
}

}  // namespace
}  // namespace clawql::engine::upstream
