#include "door/route.hpp"

#include <algorithm>

#include "door/test_bench.hpp"

namespace clawql::door::test {
namespace {

using base::Reason;

static_assert(!std::is_default_constructible_v<AdmittedRequest>);

// A refusal asserted whole: what the client gets, and what the books say.
void expect_refusal(Bench& bench, FakeClient& client, std::string_view request, Reason reason, bool closes,
                    bool with_body = true) {
  const base::RefusalFacts& facts = base::facts(reason);
  const std::uint64_t before = bench.refused(reason);
  const std::string answer = bench.exchange(client, request);
  SCOPED_TRACE(std::string(request.substr(0, 200)) + "\n-> " + answer.substr(0, 400));
  EXPECT_EQ(status_of(answer), facts.http_status);
  EXPECT_TRUE(has(answer, "Content-Type: application/json\r\n"));
  EXPECT_EQ(body_of(answer), with_body ? base::refusal_body(reason) : "");
  EXPECT_TRUE(has(answer, "Content-Length: " + std::to_string(base::refusal_body(reason).size()) + "\r\n"));
  EXPECT_EQ(has(answer, "Connection: close\r\n"), closes);
  EXPECT_EQ(client.ended(), closes);
  EXPECT_EQ(bench.refused(reason), before + 1);
  EXPECT_TRUE(has(bench.log(), "\"" + std::string(facts.label) + "\""));
  EXPECT_FALSE(has(answer, "Access-Control-Allow"));
}

std::string request(std::string_view method, std::string_view path, std::string_view fields = {},
                    std::string_view body = {}) {
  std::string text = std::string(method) + ' ' + std::string(path) + " HTTP/1.1\r\nHost: localhost\r\n";
  text += fields;
  if (!body.empty()) text += "Content-Length: " + std::to_string(body.size()) + "\r\n";
  return text + "\r\n" + std::string(body);
}

constexpr std::string_view kJson = "Content-Type: application/json\r\n";
constexpr std::string_view kAccept = "Accept: application/json, text/event-stream\r\n";

TEST(Route, every_other_method_is_405_with_allow_on_every_route) {
  struct Row {
    const char* path;
    std::vector<std::string> served;
    const char* allow;
    Listener::Kind listener = Listener::Kind::tcp;
  };
  const std::vector<Row> rows{{"/mcp", {"GET", "POST", "DELETE"}, "GET, POST, DELETE"},
                              {"/sse", {"GET"}, "GET"},
                              {"/message", {"POST"}, "POST"},
                              {"/healthz", {"GET"}, "GET"},
                              {"/readyz", {"GET"}, "GET"},
                              {"/metrics", {"GET"}, "GET"},
                              {"/admin/status", {"GET"}, "GET", Listener::Kind::admin},
                              {"/admin/reload", {"POST"}, "POST", Listener::Kind::admin},
                              {"/admin/servers/files/restart", {"POST"}, "POST", Listener::Kind::admin}};
  for (const Row& row : rows)
    for (const std::string method :
         {"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "TRACK", "get", "BREW"}) {
      if (std::ranges::find(row.served, method) != row.served.end()) continue;
      Bench bench;
      FakeClient client = bench.connect(row.listener);
      client.send(request(method, row.path));
      bench.settle();
      const std::string answer = client.read();
      SCOPED_TRACE(method + ' ' + row.path + "\n" + answer);
      EXPECT_EQ(status_of(answer), 405);
      EXPECT_TRUE(has(answer, "Allow: " + std::string(row.allow) + "\r\n"));
      EXPECT_EQ(body_of(answer), method == "HEAD" ? "" : base::refusal_body(Reason::method_not_allowed));
      EXPECT_EQ(bench.refused(Reason::method_not_allowed), 1U);
      EXPECT_FALSE(client.ended());
      EXPECT_TRUE(bench.engine().seen.empty());
    }
}

TEST(Route, what_is_not_in_the_table_is_404_and_nothing_is_normalised_into_it) {
  Bench bench;
  FakeClient client = bench.connect();
  for (const auto* path : {"/",
                           "/mcp/",
                           "/MCP",
                           "/mcpx",
                           "/sse/",
                           "/message/",
                           "/messages",
                           "//mcp",
                           "//evil.com/mcp",
                           "/x/../mcp",
                           "/./mcp",
                           "/%6dcp",
                           "/mcp%2f",
                           "/mcp%00",
                           "/mcp;x=1",
                           "/.well-known/oauth-protected-resource",
                           "/admin",
                           "/ui",
                           "/healthz/",
                           "/favicon.ico"})
    expect_refusal(bench, client, request("GET", path), Reason::route_unknown, false);
  expect_refusal(bench, client, "OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n", Reason::route_unknown, false);
  EXPECT_TRUE(bench.engine().seen.empty());
}

TEST(Route, a_query_is_no_part_of_the_route) {
  Bench bench;
  FakeClient client = bench.connect();
  EXPECT_EQ(status_of(bench.exchange(client, request("GET", "/healthz?x=1"))), 200);
}

TEST(Route, readyz_and_metrics_are_served_on_local_listeners_alone) {
  Bench bench;
  FakeClient local = bench.connect(Listener::Kind::tcp, true);
  FakeClient remote = bench.connect(Listener::Kind::tcp, false);
  for (const auto* path : {"/readyz", "/metrics"}) {
    expect_refusal(bench, remote, request("GET", path), Reason::listener_not_served, false);
    local.send(request("GET", path));
    bench.settle();
    EXPECT_EQ(bench.engine().last().route, path == std::string("/readyz") ? ipc::Route::readyz : ipc::Route::metrics);
    bench.engine().last().head({200, ipc::ContentType::metrics, 2, {}});
    bench.engine().last().data("x\n");
    bench.engine().last().end();
    bench.settle();
    EXPECT_TRUE(has(local.read(), "Content-Type: text/plain; version=0.0.4"));
  }
  EXPECT_EQ(status_of(bench.exchange(remote, request("GET", "/healthz"))), 200);
}

TEST(Route, admin_is_on_its_listener_and_nothing_else_is_there) {
  Bench bench;
  FakeClient admin = bench.connect(Listener::Kind::admin);
  for (const auto* path : {"/mcp", "/sse", "/message", "/healthz", "/readyz", "/metrics"})
    expect_refusal(bench, admin, request("GET", path), Reason::listener_not_served, false);
  for (const auto kind : {Listener::Kind::tcp, Listener::Kind::unix_socket}) {
    FakeClient client = bench.connect(kind);
    expect_refusal(bench, client, request("GET", "/admin/status"), Reason::listener_not_served, false);
    expect_refusal(bench, client, request("POST", "/admin/reload"), Reason::listener_not_served, false);
  }
  admin.send(request("POST", "/admin/servers/files/restart"));
  bench.settle();
  ASSERT_EQ(bench.engine().seen.size(), 1U);
  Seen& seen = bench.engine().last();
  EXPECT_EQ(seen.route, ipc::Route::admin);
  EXPECT_EQ(seen.method, ipc::Method::post);
  EXPECT_EQ(seen.field(ipc::RequestField::target), "/admin/servers/files/restart");
  EXPECT_FALSE(seen.has_body);
  seen.answer_json("{}");
  bench.settle();
  EXPECT_EQ(status_of(admin.read()), 200);
  for (const auto* path :
       {"/admin", "/admin/", "/admin/nothing", "/admin/status/", "/admin/reload/x", "/admin/servers/"})
    expect_refusal(bench, admin, request("POST", path), Reason::route_unknown, false);
  FakeClient evil = bench.connect(Listener::Kind::admin);
  expect_refusal(bench, evil, "GET /admin/status HTTP/1.1\r\nHost: evil.example\r\n\r\n", Reason::host_not_allowed,
                 true);
}

TEST(Route, a_post_must_be_json) {
  for (const auto* type :
       {"", "Content-Type: text/plain\r\n", "Content-Type: application/x-www-form-urlencoded\r\n",
        "Content-Type: multipart/form-data; boundary=x\r\n", "Content-Type: application/jsonx\r\n",
        "Content-Type: application/json-rpc\r\n", "Content-Type: \r\n", "Content-Type: text/json\r\n",
        "Content-Type: application/json\r\nContent-Type: application/json\r\n"}) {
    Bench bench;
    FakeClient client = bench.connect();
    expect_refusal(bench, client, request("POST", "/mcp", std::string(type) + std::string(kAccept), "{}"),
                   Reason::media_type, true);
    FakeClient without_body = bench.connect();
    expect_refusal(bench, without_body, request("POST", "/mcp", std::string(type) + std::string(kAccept)),
                   Reason::media_type, false);
    EXPECT_TRUE(bench.engine().seen.empty());
  }
  for (const auto* type :
       {"application/json", "application/json; charset=utf-8", "Application/JSON", "application/json;x=y"}) {
    Bench bench;
    FakeClient client = bench.connect();
    client.send(request("POST", "/mcp", "Content-Type: " + std::string(type) + "\r\n" + std::string(kAccept), "{}"));
    bench.settle();
    EXPECT_EQ(bench.engine().seen.size(), 1U) << type;
  }
}

TEST(Route, accept_must_name_or_cover_both_types_for_a_post_and_the_stream_for_a_get) {
  for (const auto* accept : {"Accept: application/json\r\n", "Accept: text/event-stream\r\n", "Accept: text/html\r\n",
                             "", "Accept: application/json, text/event-stream;q=0\r\n"}) {
    Bench bench;
    FakeClient client = bench.connect();
    expect_refusal(bench, client, request("POST", "/mcp", std::string(kJson) + accept), Reason::not_acceptable, false);
  }
  for (const auto* accept : {"Accept: application/json\r\n", "", "Accept: text/html\r\n"}) {
    Bench bench;
    FakeClient client = bench.connect();
    expect_refusal(bench, client, request("GET", "/mcp", accept), Reason::not_acceptable, false);
  }
  for (const auto* accept : {"Accept: */*\r\n", "Accept: application/*, text/*\r\n",
                             "Accept: application/json\r\nAccept: text/event-stream\r\n",
                             "accept: TEXT/EVENT-STREAM;q=0.5, application/json;q=0.1\r\n"}) {
    Bench bench;
    FakeClient client = bench.connect();
    client.send(request("POST", "/mcp", std::string(kJson) + accept));
    bench.settle();
    EXPECT_EQ(bench.engine().seen.size(), 1U) << accept;
  }
}

TEST(Route, a_body_over_the_limit_is_413_before_it_is_read) {
  Bench bench;
  FakeClient declared = bench.connect();
  const std::string head = "POST /mcp HTTP/1.1\r\nHost: localhost\r\n" + std::string(kJson) + std::string(kAccept);
  expect_refusal(bench, declared, head + "Content-Length: 4194305\r\n\r\n", Reason::body_too_large, true);
  FakeClient expecting = bench.connect();
  expect_refusal(bench, expecting, head + "Expect: 100-continue\r\nContent-Length: 999999999999\r\n\r\n",
                 Reason::body_too_large, true);
  FakeClient chunked = bench.connect();
  expect_refusal(bench, chunked, head + "Transfer-Encoding: chunked\r\n\r\n400001\r\n", Reason::body_too_large, true);
  EXPECT_TRUE(bench.engine().seen.empty());
  FakeClient exact = bench.connect();
  exact.send(head + "Content-Length: 4194304\r\n\r\n");
  bench.settle();
  EXPECT_EQ(exact.read(), "");
}

TEST(Route, the_order_is_guard_then_404_405_415_406_413) {
  Bench bench;
  const auto check = [&bench](std::string_view text, Reason reason) {
    FakeClient client = bench.connect();
    const std::string answer = bench.exchange(client, text);
    EXPECT_EQ(body_of(answer), base::refusal_body(reason)) << text;
  };
  const std::string huge = "Content-Length: 99999999\r\n";
  check("PUT /x HTTP/1.1\r\nHost: evil.example\r\nOrigin: null\r\n" + huge + "\r\n", Reason::host_not_allowed);
  check("PUT /x HTTP/1.1\r\nHost: localhost\r\nOrigin: null\r\n" + huge + "\r\n", Reason::origin_not_allowed);
  check("PUT /x HTTP/1.1\r\nHost: localhost\r\n" + huge + "\r\n", Reason::route_unknown);
  check("PUT /mcp HTTP/1.1\r\nHost: localhost\r\n" + huge + "\r\n", Reason::method_not_allowed);
  check("POST /mcp HTTP/1.1\r\nHost: localhost\r\n" + huge + "\r\n", Reason::media_type);
  check("POST /mcp HTTP/1.1\r\nHost: localhost\r\n" + std::string(kJson) + huge + "\r\n", Reason::not_acceptable);
  check("POST /mcp HTTP/1.1\r\nHost: localhost\r\n" + std::string(kJson) + std::string(kAccept) + huge + "\r\n",
        Reason::body_too_large);
}

TEST(Route, the_guard_stands_before_every_route_method_and_listener) {
  for (const auto kind : {Listener::Kind::tcp, Listener::Kind::unix_socket, Listener::Kind::admin})
    for (const auto* path :
         {"/mcp", "/healthz", "/readyz", "/metrics", "/admin/status", "/sse", "/message", "/nothing"})
      for (const auto* method : {"GET", "POST", "DELETE", "OPTIONS", "PUT"}) {
        Bench bench;
        FakeClient host = bench.connect(kind);
        expect_refusal(bench, host, std::string(method) + ' ' + path + " HTTP/1.1\r\nHost: evil.example\r\n\r\n",
                       Reason::host_not_allowed, true);
        FakeClient origin = bench.connect(kind);
        expect_refusal(bench, origin, request(method, path, "Origin: http://evil.example\r\n"),
                       Reason::origin_not_allowed, true);
        EXPECT_TRUE(bench.engine().seen.empty());
      }
}

TEST(Route, a_forwarded_field_that_comes_twice_is_refused) {
  for (const auto* name : {"Mcp-Session-Id", "Last-Event-ID", "Authorization", "traceparent"}) {
    Bench bench;
    FakeClient client = bench.connect();
    const std::string twice = std::string(name) + ": a\r\n" + name + ": a\r\n";
    expect_refusal(bench, client, request("DELETE", "/mcp", twice), Reason::http_syntax, true);
  }
}

TEST(Route, a_routing_field_that_comes_twice_is_a_header_mismatch_even_with_the_same_value) {
  EXPECT_EQ(base::facts(Reason::routing_field_repeated).http_status, 400);
  EXPECT_EQ(base::facts(Reason::routing_field_repeated).rpc_code, -32020);
  for (const auto* name : {"MCP-Protocol-Version", "Mcp-Method", "Mcp-Name", "Mcp-Param-City", "Mcp-Param-c"}) {
    Bench bench;
    FakeClient client = bench.connect();
    std::string other(name);
    for (char& c : other) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    const std::string twice = std::string(name) + ": a\r\nAccept: */*\r\n" + other + ": a\r\n";
    expect_refusal(bench, client, request("DELETE", "/mcp", twice), Reason::routing_field_repeated, false);
    const std::string once = std::string(name) + ": a\r\nAccept: */*\r\n";
    client.send(request("POST", "/mcp", std::string(kJson) + once, "{}"));
    bench.settle();
    EXPECT_EQ(bench.engine().seen.size(), 1U);
  }
}

TEST(Route, params_are_limited_in_number_and_bytes) {
  const auto params = [](int count, std::size_t size) {
    std::string fields(kJson);
    fields += kAccept;
    for (int i = 0; i < count; ++i)
      fields += "Mcp-Param-P" + std::to_string(i) + ": " + std::string(size, 'v') + "\r\n";
    return request("POST", "/mcp", fields, "{}");
  };
  for (const auto& [count, size, taken] :
       {std::tuple{32, 10UZ, true}, {33, 10UZ, false}, {8, 1000UZ, true}, {8, 1025UZ, false}}) {
    Bench bench;
    FakeClient client = bench.connect();
    if (!taken) {
      expect_refusal(bench, client, params(count, size), Reason::http_head_too_large, true);
      continue;
    }
    client.send(params(count, size));
    bench.settle();
    ASSERT_EQ(bench.engine().seen.size(), 1U) << count;
    EXPECT_EQ(bench.engine().last().fields.size(), static_cast<std::size_t>(count));
  }
}

// limits.head may be set to more than a frame of the channel takes.
TEST(Route, more_fields_than_go_over_in_one_piece_are_431_and_the_channel_lives) {
  base::Limits limits;
  limits.head = 256U << 10;
  Bench bench(limits);
  for (const std::size_t size : {25U << 10, 70U << 10, 200U << 10}) {
    FakeClient client = bench.connect();
    expect_refusal(bench, client, post("{}", "Authorization: " + std::string(size, 'x') + "\r\n"),
                   Reason::http_head_too_large, true);
  }
  FakeClient client = bench.connect();
  client.send(post("{}", "Authorization: " + std::string(20U << 10, 'x') + "\r\n"));
  bench.settle();
  ASSERT_EQ(bench.engine().seen.size(), 1U);
  EXPECT_EQ(bench.engine().last().field(ipc::RequestField::authorization)->size(), 20U << 10);
}

TEST(OldSse, a_stream_is_asked_for_as_on_mcp) {
  Bench bench;
  FakeClient client = bench.connect();
  expect_refusal(bench, client, request("GET", "/sse", "Accept: application/json\r\n"), Reason::not_acceptable, false);
  client.send(get("/sse?x=y"));
  bench.settle();
  ASSERT_EQ(bench.engine().seen.size(), 1U);
  EXPECT_EQ(bench.engine().last().route, ipc::Route::sse);
  EXPECT_EQ(bench.engine().last().method, ipc::Method::get);
}

TEST(OldSse, a_message_names_its_session_in_the_query_and_must_be_json) {
  const std::string id = "00" + std::string(64, 'b');
  Bench bench;
  FakeClient client = bench.connect();
  client.send(
      request("POST", "/message?sessionId=" + id, std::string(kJson) + "Mcp-Session-Id: 00cc\r\n", "{\"a\":1}"));
  bench.settle();
  ASSERT_EQ(bench.engine().seen.size(), 1U);
  const Seen& seen = bench.engine().last();
  EXPECT_EQ(seen.route, ipc::Route::message);
  EXPECT_EQ(seen.field(ipc::RequestField::session_id), id);
  EXPECT_EQ(seen.body, "{\"a\":1}");
  for (const auto* type : {"", "Content-Type: text/plain\r\n"}) {
    FakeClient other = bench.connect();
    expect_refusal(bench, other, request("POST", "/message?sessionId=" + id, type, "{}"), Reason::media_type, true);
  }
  FakeClient large = bench.connect();
  expect_refusal(bench, large,
                 "POST /message?sessionId=" + id + " HTTP/1.1\r\nHost: localhost\r\n" + std::string(kJson) +
                     "Content-Length: 4194305\r\n\r\n",
                 Reason::body_too_large, true);
}

TEST(OldSse, a_query_that_is_not_exactly_a_session_is_an_unknown_session) {
  const std::string id = "00" + std::string(64, 'b');
  for (const std::string& query : std::vector<std::string>{
           "", "?", "?sessionId", "?sessionId=", "?sessionid=" + id, "?SessionId=" + id, "?sessionId=" + id + "&x=1",
           "?x=1&sessionId=" + id, "?sessionId=" + id + "&", "?sessionId=" + id + "&sessionId=" + id,
           "?sessionId=%30" + id.substr(1), "?sessionId=" + id + "?", "?sessionId==" + id, "?session_id=" + id,
           "?sessionId=00B" + id, "?sessionId=" + std::string(129, '0'), "?" + id}) {
    Bench bench;
    FakeClient client = bench.connect();
    expect_refusal(bench, client, request("POST", "/message" + query, kJson, "{}"), Reason::session_unknown, true);
    EXPECT_TRUE(bench.engine().seen.empty()) << query;
  }
}

TEST(Route, forwards_named_fields_and_no_others) {
  Bench bench;
  FakeClient client = bench.connect();
  client.send(request("POST", "/mcp",
                      std::string(kJson) + std::string(kAccept) +
                          "Mcp-Session-Id: 00aa\r\nLast-Event-ID: 7\r\nMcp-Method: tools/call\r\nMcp-Name: a__b\r\n"
                          "Authorization: Bearer x\r\ntraceparent: 00-1\r\nMcp-Param-City:  Bern \r\n"
                          "mcp-param-X: 1\r\nCookie: a=b\r\nX-Forwarded-For: 1.2.3.4\r\n",
                      "{}"));
  bench.settle();
  ASSERT_EQ(bench.engine().seen.size(), 1U);
  const Seen& seen = bench.engine().last();
  EXPECT_EQ(seen.fields.size(), 8U);
  EXPECT_EQ(seen.field(ipc::RequestField::last_event_id), "7");
  EXPECT_EQ(seen.field(ipc::RequestField::mcp_method), "tools/call");
  EXPECT_EQ(seen.field(ipc::RequestField::mcp_name), "a__b");
  EXPECT_EQ(seen.field(ipc::RequestField::authorization), "Bearer x");
  EXPECT_EQ(seen.field(ipc::RequestField::traceparent), "00-1");
  EXPECT_EQ(seen.fields[6].second, "City: Bern");
  EXPECT_EQ(seen.fields[7].second, "X: 1");
}

TEST(Route, a_body_where_none_belongs_is_never_read_as_a_request) {
  const std::string smuggled = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
  for (const auto* method : {"GET", "DELETE"}) {
    Bench bench;
    FakeClient client = bench.connect();
    client.send(request(method, "/mcp", std::string(kAccept), smuggled));
    bench.settle();
    ASSERT_EQ(bench.engine().seen.size(), 1U);
    bench.engine().last().answer_json("1");
    bench.settle();
    const std::string answer = client.read();
    EXPECT_TRUE(has(answer, "Connection: close\r\n"));
    EXPECT_EQ(body_of(answer), "1");
    EXPECT_TRUE(client.ended());
  }
  for (const auto* path : {"/healthz", "/nothing"}) {
    Bench bench;
    FakeClient client = bench.connect();
    const std::string answer = bench.exchange(client, request("GET", path, {}, smuggled));
    EXPECT_TRUE(has(answer, "Connection: close\r\n"));
    EXPECT_EQ(answer.find("HTTP/1.1"), answer.rfind("HTTP/1.1")) << answer;
    EXPECT_TRUE(client.ended());
  }
}

TEST(Route, whatever_is_no_http_gets_one_answer_and_the_end) {
  constexpr const char* two_lengths =
      "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
      "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
  for (const auto* bytes :
       {"HELO x\r\n\r\n", "\x16\x03\x01\x02\x00\x01\x00", "SSH-2.0-x\r\n", "*1\r\n$4\r\nPING\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "GET /mcp HTTP/1.0\r\nHost: localhost\r\n\r\n", "GET /mcp\r\n\r\n",
        "GET /mcp HTTP/1.1\nHost: localhost\n\n", "{\"jsonrpc\":\"2.0\"}\n", two_lengths}) {
    Bench bench;
    FakeClient client = bench.connect();
    const std::string answer = bench.exchange(client, bytes);
    EXPECT_EQ(status_of(answer), 400) << bytes;
    EXPECT_EQ(answer.find("HTTP/1.1 4"), answer.rfind("HTTP/1.1 4")) << answer;
    EXPECT_TRUE(client.ended()) << bytes;
    EXPECT_TRUE(bench.engine().seen.empty());
  }
}

TEST(Route, health_says_what_the_interface_promises) {
  Bench bench;
  FakeClient client = bench.connect();
  const std::string answer = bench.exchange(client, request("GET", "/healthz"));
  EXPECT_EQ(status_of(answer), 200);
  EXPECT_EQ(body_of(answer),
            R"({"status":"ok","transport":"streamable-http","endpoint":"/mcp","version":")" CLAWQL_VERSION R"("})");
  EXPECT_TRUE(has(answer, "Content-Type: application/json\r\n"));
}

TEST(Cors, only_a_listed_origin_gets_fields_and_its_own_value) {
  const std::vector<std::string> listed{"https://app.example"};
  Bench bench({}, {}, listed);
  FakeClient client = bench.connect();
  const std::string preflight =
      "OPTIONS /mcp HTTP/1.1\r\nHost: localhost\r\nAccess-Control-Request-Method: POST\r\nOrigin: ";
  const std::string yes = bench.exchange(client, preflight + "https://app.example\r\n\r\n");
  EXPECT_EQ(status_of(yes), 204);
  EXPECT_TRUE(has(yes, "Access-Control-Allow-Origin: https://app.example\r\n"));
  EXPECT_TRUE(has(yes, "Vary: Origin\r\n"));
  EXPECT_TRUE(has(yes, "Access-Control-Allow-Methods: GET, POST, DELETE\r\n"));
  const std::string message = bench.exchange(
      client,
      "OPTIONS /message?sessionId=00 HTTP/1.1\r\nHost: localhost\r\nAccess-Control-Request-Method: POST\r\n"
      "Origin: https://app.example\r\n\r\n");
  EXPECT_TRUE(has(message, "Access-Control-Allow-Methods: POST\r\n"));
  EXPECT_FALSE(has(yes, "Credentials"));
  client.send(post("{}", "Origin: https://app.example\r\n"));
  bench.settle();
  bench.engine().last().answer_json("1");
  bench.settle();
  const std::string answer = client.read();
  EXPECT_TRUE(has(answer, "Access-Control-Allow-Origin: https://app.example\r\n"));
  EXPECT_TRUE(has(answer, "Access-Control-Expose-Headers: Mcp-Session-Id\r\n"));
  // The next request on the same connection gets none by that.
  const std::string plain = bench.exchange(client, request("GET", "/healthz"));
  EXPECT_FALSE(has(plain, "Access-Control"));
  // Allowed to call is not allowed to read: loopback pages are not listed.
  FakeClient loopback = bench.connect();
  expect_refusal(bench, loopback,
                 preflight + "http://localhost:3000\r\nAccess-Control-Request-Private-Network: true\r\n\r\n",
                 Reason::origin_not_allowed, true);
  FakeClient evil = bench.connect();
  expect_refusal(bench, evil, preflight + "https://evil.example\r\n\r\n", Reason::origin_not_allowed, true);
}

std::string allowed_for(const std::string& asked) {
  const std::vector<std::string> listed{"https://app.example"};
  Bench bench({}, {}, listed);
  FakeClient client = bench.connect();
  const std::string answer =
      bench.exchange(client,
                     "OPTIONS /mcp HTTP/1.1\r\nHost: localhost\r\nAccess-Control-Request-Method: POST\r\nOrigin: "
                     "https://app.example\r\n" +
                         (asked.empty() ? "" : "Access-Control-Request-Headers: " + asked + "\r\n") + "\r\n");
  EXPECT_EQ(status_of(answer), 204) << answer;
  constexpr std::string_view kName = "Access-Control-Allow-Headers: ";
  const std::size_t at = answer.find(kName);
  return at == std::string::npos ? "" : answer.substr(at + kName.size(), answer.find('\r', at) - at - kName.size());
}

TEST(Cors, a_preflight_admits_the_mirrored_arguments_that_were_asked_for) {
  const std::string fixed = allowed_for("");
  EXPECT_TRUE(has(fixed, "Mcp-Name"));
  EXPECT_EQ(allowed_for("content-type, mcp-param-city, x-other,mcp-param-zip"),
            fixed + ", mcp-param-city, mcp-param-zip");
  EXPECT_EQ(allowed_for("mcp-param-, x-evil, *"), fixed);
  // Out of grammar, or more than a request may have.
  EXPECT_EQ(allowed_for("mcp-param-a b, mcp-param-c"), fixed);
  EXPECT_EQ(allowed_for("mcp-param-a\r\nAccess-Control-Request-Headers: mcp-param-b"), fixed);
  std::string many = "mcp-param-0", long_one = "mcp-param-" + std::string(9000, 'x');
  for (std::size_t i = 1; i <= kMaxParams; ++i) many += ",mcp-param-" + std::to_string(i);
  EXPECT_EQ(allowed_for(many), fixed);
  EXPECT_EQ(allowed_for(long_one), fixed);
}

}  // namespace
}  // namespace clawql::door::test
