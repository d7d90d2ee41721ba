#include <gtest/gtest.h>

#include <set>

#include "engine/mcp/catalog.hpp"
#include "engine/mcp/cursor.hpp"
#include "engine/mcp/message.hpp"
#include "engine/mcp/random.hpp"
#include "engine/mcp/replies.hpp"
#include "engine/mcp/session.hpp"
#include "engine/mcp/spliced.hpp"

namespace clawql::engine::mcp {
namespace {

std::string kind_of(const std::string& text) {
  const auto document = json::Document::parse(text, {});
  EXPECT_TRUE(document) << text;
  const auto message = Message::read(document->root());
  if (!message) return "invalid " + std::string(message.error().id);
  switch (message->kind()) {
    case MessageKind::request: return "request " + std::string(message->id());
    case MessageKind::notification: return "notification";
    case MessageKind::response: return "response " + std::string(message->id());
  }
  return {};
}

TEST(Message, is_recognised_by_its_members) {
  EXPECT_EQ(kind_of(R"({"jsonrpc":"2.0","id":1,"method":"ping"})"), "request 1");
  EXPECT_EQ(kind_of(R"({"id":"\u0061","method":"x","jsonrpc":"2\u002e0","params":{}})"), R"(request "\u0061")");
  EXPECT_EQ(kind_of(R"({"jsonrpc":"2.0","method":"ping"})"), "notification");
  EXPECT_EQ(kind_of(R"({"jsonrpc":"2.0","id":1,"result":null})"), "response 1");
  EXPECT_EQ(kind_of(R"({"jsonrpc":"2.0","id":null,"error":{}})"), "response ");
}

TEST(Message, that_is_wrong_keeps_the_id_of_a_request_alone) {
  EXPECT_EQ(kind_of(R"({"jsonrpc":"2.0","id":1,"method":"ping","params":[]})"), "invalid 1");
  EXPECT_EQ(kind_of(R"({"jsonrpc":"1.0","id":1,"method":"ping"})"), "invalid 1");
  EXPECT_EQ(kind_of(R"({"jsonrpc":"2.0","id":1})"), "invalid ");
  EXPECT_EQ(kind_of(R"({"jsonrpc":"2.0","id":1,"result":1,"params":{}})"), "invalid ");
  EXPECT_EQ(kind_of(R"({"jsonrpc":"2.0","id":1e3,"method":"ping"})"), "invalid ");
  EXPECT_EQ(kind_of(R"({"jsonrpc":"2.0","id":[],"method":"ping"})"), "invalid ");
  EXPECT_EQ(kind_of(R"({"jsonrpc":"2.0","method":"ping","params":null})"), "invalid ");
  EXPECT_EQ(kind_of(R"([{"jsonrpc":"2.0","id":1,"method":"ping"}])"), "invalid ");
}

TEST(Message, knows_its_method_however_it_is_escaped) {
  const std::string text = R"({"jsonrpc":"2.0","id":1,"method":"tools\/c\u0061ll"})";
  const auto document = json::Document::parse(text, {});
  EXPECT_EQ(Message::read(document->root())->method(), Method::tools_call);
  const std::string other = R"({"jsonrpc":"2.0","id":1,"method":"other"})";
  const auto other_document = json::Document::parse(other, {});
  EXPECT_EQ(Message::read(other_document->root())->method(), Method::other);
}

TEST(SessionId, is_hex_of_its_shard_and_256_random_bits) {
  std::set<std::string> seen;
  for (int i = 0; i < 100; ++i) {
    const auto id = SessionId::make(0xa5);
    ASSERT_TRUE(id);
    const std::string text = id->text();
    EXPECT_EQ(text.size(), SessionId::kTextLength);
    EXPECT_EQ(text.substr(0, 2), "a5");
    EXPECT_EQ(SessionId::parse(text), *id);
    EXPECT_TRUE(seen.insert(text).second);
  }
  const std::string text = *seen.begin();
  EXPECT_FALSE(SessionId::parse(text.substr(1)));
  EXPECT_FALSE(SessionId::parse(text + "0"));
  for (const char bad : {'g', 'A', ' ', '\0'}) {
    std::string wrong = text;
    wrong[40] = bad;
    EXPECT_FALSE(SessionId::parse(wrong)) << bad;
  }
}

TEST(Sessions, know_the_least_log_level_of_those_that_are_open) {
  identity::PrincipalCounts counts;
  identity::Principals principals(counts);
  identity::KnownPrincipal& principal = principals.identify({.kind = ipc::Peer::Kind::tcp});
  View view(false);
  Sessions sessions(0);
  const auto open = [&] { return *sessions.open(principal, Version::v2025_11_25, view, base::Microseconds{0}); };
  Session* const first = open();
  Session* const second = open();
  EXPECT_EQ(sessions.least_log_level(), std::nullopt);
  sessions.set_log_level(*first, LogLevel::error);
  sessions.set_log_level(*second, LogLevel::debug);
  EXPECT_EQ(sessions.least_log_level(), LogLevel::debug);
  sessions.set_log_level(*second, LogLevel::warning);
  EXPECT_EQ(sessions.least_log_level(), LogLevel::warning);
  sessions.close(*second);
  EXPECT_EQ(sessions.least_log_level(), LogLevel::error);
  EXPECT_EQ(sessions.find(first->id().text(), principal), first);
  sessions.close(*first);
  EXPECT_EQ(sessions.least_log_level(), std::nullopt);
}

TEST(CursorSeal, opens_only_what_it_sealed) {
  const auto seal = CursorSeal::make();
  const auto other = CursorSeal::make();
  ASSERT_TRUE(seal && other);
  const Position position{7, 1000};
  const std::string cursor = seal->seal(position);
  EXPECT_EQ(seal->open(cursor), position);
  EXPECT_FALSE(other->open(cursor));
  for (std::size_t i = 0; i < cursor.size(); ++i) {
    std::string changed = cursor;
    changed[i] = changed[i] == '1' ? '2' : '1';
    EXPECT_FALSE(seal->open(changed)) << i;
    EXPECT_FALSE(seal->open(cursor.substr(0, i))) << i;
  }
}

TEST(Spliced, replaces_one_slice_and_nothing_else) {
  const std::string text = R"({"id": 12 ,"x":1})";
  const Spliced spliced(text, std::string_view(text).substr(7, 2), "\"a\"");
  std::string out;
  spliced.append_to(out);
  EXPECT_EQ(out, R"({"id": "a" ,"x":1})");
  EXPECT_EQ(spliced.size(), out.size());
}

TEST(EqualInConstantTime, compares_whole_texts) {
  EXPECT_TRUE(equal_in_constant_time("abc", "abc"));
  EXPECT_FALSE(equal_in_constant_time("abc", "abd"));
  EXPECT_FALSE(equal_in_constant_time("abc", "ab"));
}

TEST(ErrorResponse, has_no_http_status_as_its_code) {
  for (std::size_t i = 0; i < base::kReasonCount; ++i) EXPECT_LT(rpc_code(static_cast<base::Reason>(i)), 0);
}

}  // namespace
}  // namespace clawql::engine::mcp
