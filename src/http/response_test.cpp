#include "http/response.hpp"

#include <gtest/gtest.h>

namespace clawql::http {
namespace {

// What a client would make of these bytes and the end of the stream: status and body, or the error.
struct Told {
  std::string text;
  std::string rest;  // bytes after the response
};

std::string drive(ResponseParser& parser, std::string_view bytes, std::string& body, std::size_t& used) {
  used = 0;
  while (!parser.done()) {
    const auto step = parser.feed(bytes.substr(used));
    if (!step) return step.error().message;
    body += step->body;
    used += step->consumed;
    if (step->consumed == 0) break;
  }
  return {};
}

Told tell(std::string_view bytes, std::size_t split, bool to_head_request = false) {
  ResponseParser parser({.head_bytes = 200, .fields = 5, .body_bytes = 20});
  parser.reset(to_head_request);
  std::string body;
  std::size_t used = 0;
  std::size_t total = 0;
  for (const std::string_view piece : {bytes.substr(0, split), bytes.substr(split)}) {
    const std::string error = drive(parser, piece, body, used);
    if (!error.empty()) return {.text = error, .rest = {}};
    total += used;
  }
  if (const Status status = parser.finish(); !status) return {.text = status.error().message, .rest = {}};
  return {
      .text = std::to_string(parser.response().status) + " " + body + (parser.response().keep_alive ? "" : " closes"),
      .rest = std::string(bytes.substr(total))};
}

struct Row {
  std::string bytes;
  std::string told;
  std::string rest;
  bool to_head_request;
};

TEST(Response, each_answer_is_read_alike_at_every_split) {
  const std::string start = "HTTP/1.1 200 OK\r\n";
  const std::vector<Row> rows{
      {start + "Content-Length: 5\r\n\r\nhello", "200 hello", "", false},
      {start + "Content-Length: 5\r\n\r\nhelloHTTP/1.1 200", "200 hello", "HTTP/1.1 200", false},
      {start + "Content-Length: 0\r\n\r\n", "200 ", "", false},
      {start + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n", "200 hello!", "", false},
      {start + "\r\nhello", "200 hello closes", "", false},
      {start + "Connection: close\r\nContent-Length: 1\r\n\r\na", "200 a closes", "", false},
      {"HTTP/1.1 100 Continue\r\n\r\n" + start + "Content-Length: 1\r\n\r\na", "200 a", "", false},
      {"HTTP/1.1 204 No Content\r\n\r\n", "204 ", "", false},
      {"HTTP/1.1 404 \r\nContent-Length: 1\r\n\r\na", "404 a", "", false},
      {start + "Content-Length: 5\r\n\r\n", "200 ", "", true},
      {"HTTP/1.1 101 Switching Protocols\r\n\r\n", "response: 101 to a request that did not ask for it", "", false},
      {"HTTP/1.0 200 OK\r\n\r\n", "response: status line out of grammar", "", false},
      {"HTTP/1.1 099 x\r\n\r\n", "response: status line out of grammar", "", false},
      {"HTTP/1.1 600 x\r\n\r\n", "response: status line out of grammar", "", false},
      {"HTTP/1.1 2000 x\r\n\r\n", "response: status line out of grammar", "", false},
      {"HTTP/1.1 200\r\n\r\n", "response: status line out of grammar", "", false},
      {"HTTP/1.1 200 a\x01\r\n\r\n", "response: status line out of grammar", "", false},
      {"\r\n\r\n", "response head: no status line", "", false},
      {"HTTP/1.1 200 OK\n\n", "response head: line feed without carriage return", "", false},
      {start + "X : y\r\n\r\n", "response head: field line out of grammar", "", false},
      {start + "A: b\r\nA: b\r\nA: b\r\nA: b\r\nA: b\r\nA: b\r\n\r\n", "response head: too many fields", "", false},
      {start + "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
       "response: Content-Length with Transfer-Encoding", "", false},
      {start + "Content-Length: 1\r\nContent-Length: 1\r\n\r\na", "response: more than one Content-Length", "", false},
      {start + "Content-Length: 21\r\n\r\n", "response: Content-Length over the limit", "", false},
      {start + "\r\n" + std::string(21, 'a'), "response body too large", "", false},
      {start + "X: " + std::string(200, 'a'), "response head too large", "", false},
      {start + "Content-Length: 5\r\n\r\nhell", "response body cut off", "", false},
      {start + "Content-Length: 5\r\n", "response head cut off", "", false},
      {"", "the connection ended without a response", "", false}};
  for (const Row& row : rows) {
    for (std::size_t split = 0; split <= row.bytes.size(); ++split) {
      const Told told = tell(row.bytes, split, row.to_head_request);
      ASSERT_EQ(told.text, row.told) << row.bytes << " split at " << split;
      ASSERT_EQ(told.rest, row.rest) << row.bytes << " split at " << split;
    }
  }
}

TEST(Response, fields_are_looked_up_without_case_and_never_when_ambiguous) {
  ResponseParser parser;
  ASSERT_TRUE(parser.feed("HTTP/1.1 200 OK\r\nMcp-Session-Id: a\r\nX: 1\r\nx: 2\r\nContent-Length: 0\r\n\r\n"));
  ASSERT_TRUE(parser.done());
  EXPECT_EQ(parser.response().field("mcp-session-id"), "a");
  EXPECT_EQ(parser.response().field("x"), std::nullopt);
  parser.reset();
  EXPECT_FALSE(parser.has_head());
}

}  // namespace
}  // namespace clawql::http
