// What the tables of tests/attacks cannot say: views, counts, limits, media types, and what we write.
#include "http/request.hpp"

#include <gtest/gtest.h>

#include "http/connection_replay.hpp"
#include "http/sse.hpp"

namespace clawql::http {
namespace {

base::Reason reason_of(std::string_view bytes, const HeadLimits& limits = {}) {
  HeadParser parser(limits);
  const auto result = parser.parse(bytes);
  const auto* refusal = std::get_if<base::Refusal>(&result);
  EXPECT_NE(refusal, nullptr) << bytes;
  return refusal == nullptr ? base::Reason::internal : refusal->reason;
}

RequestHead head_of(std::string_view bytes) {
  HeadParser parser(HeadLimits{});
  auto result = parser.parse(bytes);
  EXPECT_TRUE(std::holds_alternative<HeadParser::Done>(result)) << bytes;
  if (auto* done = std::get_if<HeadParser::Done>(&result)) return std::move(done->head);
  return {};
}

TEST(RequestHead, names_every_part_without_copying_it) {
  const std::string bytes =
      "POST /message?sessionId=%20a HTTP/1.1\r\nHost: LocalHost:8080\r\nX-Two: 1\r\nx-two: 2\r\n"
      "Content-Length: 5\r\nExpect: 100-continue\r\nConnection: keep-alive, close\r\n\r\nhello";
  const RequestHead head = head_of(bytes);
  EXPECT_EQ(head.method, Method::post);
  EXPECT_EQ(head.path, "/message");
  EXPECT_EQ(head.query, "sessionId=%20a");
  EXPECT_EQ(head.path.data(), bytes.data() + 5);
  EXPECT_EQ(head.host->host.text(), "localhost");
  EXPECT_EQ(head.host->port, 8080);
  EXPECT_FALSE(head.target_authority);
  EXPECT_EQ(head.fields.size(), 6U);
  EXPECT_EQ(head.count("X-TWO"), 2U);
  EXPECT_EQ(head.field("x-two"), std::nullopt);
  EXPECT_EQ(head.field("CONTENT-LENGTH"), "5");
  EXPECT_EQ(head.count("absent"), 0U);
  EXPECT_EQ(head.framing.kind, Framing::Kind::length);
  EXPECT_EQ(head.framing.length, 5U);
  EXPECT_TRUE(head.expects_continue);
  EXPECT_FALSE(head.keep_alive);
}

TEST(RequestHead, a_method_we_do_not_know_is_other_and_case_counts) {
  EXPECT_EQ(head_of("post / HTTP/1.1\r\nHost: a\r\n\r\n").method, Method::other);
  EXPECT_EQ(head_of("TRACE / HTTP/1.1\r\nHost: a\r\n\r\n").method, Method::other);
  EXPECT_EQ(head_of("DELETE / HTTP/1.1\r\nHost: a\r\n\r\n").method, Method::delete_);
  const RequestHead connect = head_of("CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n");
  EXPECT_EQ(connect.method, Method::other);
  EXPECT_EQ(connect.path, "*");
}

TEST(RequestHead, the_path_of_an_absolute_target_begins_with_a_slash) {
  EXPECT_EQ(head_of("GET http://a HTTP/1.1\r\nHost: a\r\n\r\n").path, "/");
  EXPECT_EQ(head_of("GET http://a?b HTTP/1.1\r\nHost: a\r\n\r\n").query, "b");
  EXPECT_EQ(head_of("GET http://a/c?b HTTP/1.1\r\nHost: a\r\n\r\n").path, "/c");
  EXPECT_EQ(head_of("OPTIONS http://a HTTP/1.1\r\nHost: a\r\n\r\n").path, "*");
  EXPECT_EQ(head_of("OPTIONS http://a/ HTTP/1.1\r\nHost: a\r\n\r\n").path, "/");
}

TEST(Field, names_are_compared_byte_by_byte_but_for_the_case_of_letters) {
  for (std::size_t size = 1; size < 40; ++size) {
    for (std::size_t place = 0; place < size; ++place) {
      std::string name(size, 'a');
      std::string other(size, 'A');
      EXPECT_TRUE(equals_ignoring_case(name, other));
      // Each pair differs in the bit that tells the two cases of a letter apart.
      for (const auto& [left, right] : {std::pair('@', '`'), std::pair('[', '{'), std::pair('a', 'b')}) {
        name[place] = left;
        other[place] = right;
        EXPECT_FALSE(equals_ignoring_case(name, other)) << name << ' ' << other;
      }
    }
  }
}

TEST(Field, a_control_is_refused_at_every_place_of_a_value) {
  for (std::size_t size = 1; size < 40; ++size) {
    for (std::size_t place = 0; place < size; ++place) {
      std::string value(size, '~');
      const auto head = [&value] { return "GET / HTTP/1.1\r\nHost: a\r\nX: |" + value + "|\r\n\r\n"; };
      value[place] = '\t';
      EXPECT_EQ(head_of(head()).fields.size(), 2U);
      value[place] = '\x7f';
      EXPECT_EQ(reason_of(head()), base::Reason::http_syntax);
      value[place] = '\0';
      EXPECT_EQ(reason_of(head()), base::Reason::http_syntax);
    }
  }
}

TEST(HeadParser, refuses_other_protocols_at_their_first_byte) {
  for (const auto* bytes : {"\x16", "\r", "{", " ", "\"", "\x80"})
    EXPECT_EQ(reason_of(bytes), base::Reason::http_syntax);
}

TEST(HeadParser, judges_the_request_line_before_the_rest_came) {
  EXPECT_EQ(reason_of("GET / HTTP/1.0\r\n"), base::Reason::http_version);
  EXPECT_EQ(reason_of("HELO x\r\n"), base::Reason::http_syntax);
  EXPECT_EQ(reason_of("GET x HTTP/1.1\r\n"), base::Reason::http_target_syntax);
}

TEST(HeadParser, keeps_to_limits_other_than_the_defaults) {
  const HeadLimits limits{.head_bytes = 100, .target_bytes = 10, .fields = 2};
  EXPECT_EQ(reason_of("GET /2345678901 HTTP/1.1\r\nHost: a\r\n\r\n", limits), base::Reason::http_target_too_long);
  EXPECT_EQ(reason_of("GET / HTTP/1.1\r\nHost: a\r\nB: c\r\nD: e\r\n\r\n", limits), base::Reason::http_head_too_large);
  EXPECT_EQ(reason_of("GET / HTTP/1.1\r\nHost: a\r\nB: " + std::string(100, 'c'), limits),
            base::Reason::http_head_too_large);
  HeadParser parser(limits);
  EXPECT_TRUE(std::holds_alternative<HeadParser::Done>(parser.parse("GET /234567890 HTTP/1.1\r\nHost: a\r\n\r\n")));
}

TEST(HeadParser, a_slow_sender_may_move_the_buffer_between_two_calls) {
  const std::string bytes = "GET /mcp HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n\r\n";
  HeadParser parser(HeadLimits{});
  for (std::size_t size = 0; size < bytes.size(); ++size)
    ASSERT_TRUE(std::holds_alternative<HeadParser::NeedMore>(parser.parse(std::string(bytes, 0, size)))) << size;
  auto result = parser.parse(bytes);
  ASSERT_TRUE(std::holds_alternative<HeadParser::Done>(result));
  EXPECT_EQ(std::get<HeadParser::Done>(result).head.method_text.data(), bytes.data());
  EXPECT_EQ(std::get<HeadParser::Done>(result).consumed, bytes.size());
}

TEST(BodyDecoder, refuses_a_body_over_the_limit_as_soon_as_it_is_announced) {
  BodyDecoder by_length({.kind = Framing::Kind::length, .length = 6}, 5);
  EXPECT_EQ(by_length.decode("").error().reason, base::Reason::body_too_large);
  BodyDecoder chunked({.kind = Framing::Kind::chunked}, 5);
  EXPECT_EQ(chunked.decode("3\r\nabc\r\n")->body, "abc");
  EXPECT_EQ(chunked.decode("\r\n3\r\n").error().reason, base::Reason::body_too_large);
  BodyDecoder exact({.kind = Framing::Kind::length, .length = 5}, 5);
  EXPECT_TRUE(exact.decode("12345")->done);
}

TEST(BodyDecoder, leaves_the_next_request_alone) {
  BodyDecoder decoder({.kind = Framing::Kind::chunked}, 100);
  const std::string_view input = "1\r\na\r\n0\r\n\r\nGET /";
  std::string body;
  std::size_t at = 0;
  while (!decoder.done()) {
    const auto step = decoder.decode(input.substr(at));
    ASSERT_TRUE(step);
    body += step->body;
    at += step->consumed;
  }
  EXPECT_EQ(body, "a");
  EXPECT_EQ(input.substr(at), "GET /");
  EXPECT_EQ(decoder.decode("x")->consumed, 0U);
}

TEST(MediaType, json_is_application_json_with_or_without_parameters) {
  for (const auto* text : {"application/json", "Application/JSON", "application/json; charset=utf-8",
                           "application/json;charset=\"utf-8\"", "application/json ;", "application/json;a=b;c=d"})
    EXPECT_TRUE(is_json_media_type(text)) << text;
  for (const auto* text :
       {"", "text/plain", "application/jsonx", "application/json-rpc", "application/json, text/plain", "application",
        "application/json; charset", "text/plain; application/json", "application/json;a=b,text/plain",
        "application/ json", "application/json;a=\"b", "*/*", "multipart/form-data; boundary=application/json"})
    EXPECT_FALSE(is_json_media_type(text)) << text;
}

TEST(Accept, the_most_exact_range_decides_and_zero_excludes) {
  struct Row {
    const char* text;
    bool json;
    bool event_stream;
  };
  for (const Row& row :
       {Row{"application/json, text/event-stream", true, true}, Row{"*/*", true, true},
        Row{"application/*", true, false}, Row{"text/*;q=0.1", false, true}, Row{"APPLICATION/JSON", true, false},
        Row{"", false, false}, Row{"text/html", false, false}, Row{"application/json;q=0, */*", false, true},
        Row{"*/*, text/event-stream;q=0.000", true, false}, Row{"*/*;q=0, application/json", true, false},
        Row{"application/json;q=0.001", true, false}, Row{"application/json;a=\"x, text/event-stream\"", true, false},
        Row{"nonsense, application/json", true, false}, Row{"application/json/x, text/event-stream", false, true},
        Row{",,application/json,,", true, false}}) {
    const Accepts accepts = parse_accept(row.text);
    EXPECT_EQ(accepts.json, row.json) << row.text;
    EXPECT_EQ(accepts.event_stream, row.event_stream) << row.text;
  }
}

std::string written(const ResponseHead& head) {
  std::string out;
  append_response_head(out, head);
  return out;
}

TEST(NamesOfList, takes_tokens_alone_and_not_too_many) {
  using Names = std::vector<std::string_view>;
  EXPECT_EQ(names_of_list("content-type, mcp-param-a ,,b", 3), (Names{"content-type", "mcp-param-a", "b"}));
  EXPECT_TRUE(names_of_list("", 0).value().empty());
  EXPECT_TRUE(names_of_list(" , ,", 0).value().empty());
  for (const char* bad : {"a b", "a,b c", "a\"", "a;q=1", "a:b", "\xc3\xa4"})
    EXPECT_FALSE(names_of_list(bad, 9)) << bad;
  EXPECT_FALSE(names_of_list("a,b,c", 2));
}

TEST(ResponseHead, is_written_with_one_framing_or_none) {
  EXPECT_EQ(written({.status = 200, .content_type = "application/json", .content_length = 2}),
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n");
  EXPECT_EQ(written({.status = 200, .chunked = true, .close = true}),
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(written({.status = 204, .content_length = 0}), "HTTP/1.1 204 No Content\r\n\r\n");
  EXPECT_EQ(written({.status = 405, .content_length = 0, .fields = {{"Allow", "POST"}}}),
            "HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\nAllow: POST\r\n\r\n");
}

TEST(ResponseHeadDeath, a_value_cannot_begin_another_line) {
  EXPECT_DEATH(written({.content_length = 0, .fields = {{"X", "a\r\nSet-Cookie: b"}}}), "");
  EXPECT_DEATH(written({.content_length = 0, .fields = {{"X: a\r\nY", "b"}}}), "");
}

TEST(Sse, an_event_is_lines_and_an_empty_one) {
  std::string out;
  append_sse(out, {.event = "endpoint", .id = "7", .data = "/message"});
  append_sse(out, {.id = "8"});
  append_sse(out, {.data = "a\nb\r\nc\rd"});
  append_sse_retry(out, 500);
  append_sse_comment(out);
  EXPECT_EQ(out,
            "event: endpoint\nid: 7\ndata: /message\n\nid: 8\ndata: \n\ndata: a\ndata: b\ndata: c\ndata: d\n\n"
            "retry: 500\n\n:\n\n");
}

}  // namespace
}  // namespace clawql::http
