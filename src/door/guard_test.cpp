// Rows of the perimeter's tables for Host and Origin: each value, whole requests through the real parser.
#include "door/guard.hpp"

#include <gtest/gtest.h>

#include "http/request.hpp"

namespace clawql::door {
namespace {

using base::Reason;
using Hosts = std::vector<std::string>;
using Origins = std::optional<std::vector<std::string>>;

std::shared_ptr<const AllowList> list(const Hosts& hosts = {}, const Origins& origins = std::nullopt) {
  auto made = AllowList::make(hosts, origins, "/etc/clawql/clawql.yaml");
  EXPECT_TRUE(made.has_value()) << made.error().message;
  return *made;
}

// The reason a request with these lines after the request line is refused for, nullopt when it passes.
std::optional<Reason> verdict(std::string_view lines, const AllowList& allow, std::string_view target = "/mcp",
                              std::string_view method = "POST") {
  std::string text = std::string(method) + ' ' + std::string(target) + " HTTP/1.1\r\n" + std::string(lines) + "\r\n";
  http::HeadParser parser{http::HeadLimits{}};
  const auto parsed = parser.parse(text);
  if (const auto* refusal = std::get_if<base::Refusal>(&parsed)) return refusal->reason;
  const auto* done = std::get_if<http::HeadParser::Done>(&parsed);
  EXPECT_NE(done, nullptr) << lines;
  const auto guarded = guard(done->head, allow);
  return guarded ? std::nullopt : std::optional(guarded.error().reason);
}

std::optional<Reason> host(std::string_view value, const AllowList& allow) {
  return verdict("Host: " + std::string(value) + "\r\n", allow);
}
std::optional<Reason> origin(std::string_view value, const AllowList& allow) {
  return verdict("Host: localhost:8080\r\nOrigin: " + std::string(value) + "\r\n", allow);
}

TEST(GuardHost, loopback_names_pass_with_any_valid_port_and_in_any_case) {
  const auto allow = list();
  for (const auto* value : {"localhost", "127.0.0.1", "[::1]", "localhost:8080", "127.0.0.1:1", "[::1]:65535",
                            "LOCALHOST", "LocalHost:8080", "localhost:9999"})
    EXPECT_EQ(host(value, *allow), std::nullopt) << value;
}

TEST(GuardHost, what_is_well_formed_but_not_listed_is_403) {
  const auto allow = list();
  for (const auto* value : {"evil.example",
                            "localhost.",
                            "127.0.0.1.",
                            "[0:0:0:0:0:0:0:1]",
                            "[::0001]",
                            "[::ffff:127.0.0.1]",
                            "[::ffff:7f00:1]",
                            "[64:ff9b::7f00:1]",
                            "127.1",
                            "2130706433",
                            "0x7f000001",
                            "0x7f.1",
                            "0177.0.0.1",
                            "017700000001",
                            "127.0.0.2",
                            "0.0.0.0",
                            "0",
                            "[::]",
                            "localhost.evil.com",
                            "evillocalhost",
                            "127.0.0.1.nip.io",
                            "127.0.0.1.evil.com",
                            "a.localhost",
                            "xn--lcalhost-59g",
                            "host.docker.internal",
                            "169.254.169.254",
                            "0.0.0.0:8080"})
    EXPECT_EQ(host(value, *allow), Reason::host_not_allowed) << value;
  // 127.000.000.001 is no canonical IPv4; whether it is 400 or 403, it never passes.
  EXPECT_NE(host("127.000.000.001", *allow), std::nullopt);
}

TEST(GuardHost, what_is_malformed_never_passes) {
  const auto allow = list();
  for (const auto* value : {"",
                            " ",
                            "localhost, evil.com",
                            "user@localhost",
                            "localhost:80@evil.com",
                            "@localhost",
                            "localhost/x",
                            "localhost?x",
                            "localhost#x",
                            "localhost;x",
                            "localhost\\@evil.com",
                            "http://localhost",
                            "localhost:",
                            "localhost:abc",
                            "localhost:0x50",
                            "localhost:+80",
                            "localhost:65536",
                            "localhost:80:80",
                            "localhost: 80",
                            "localhost:08080",
                            "%6c%6f%63alhost",
                            "localhost%00",
                            "localhost%2eevil.com",
                            "\"localhost\"",
                            "<localhost>",
                            "{localhost}",
                            "*",
                            "_",
                            "l\u043Ecalhost",
                            "::1",
                            "[::1",
                            "[[::1]]",
                            "[::1]evil.com",
                            "[::1%lo]",
                            "[::1%25lo]",
                            "[v1.x]",
                            "[127.0.0.1]",
                            "localhost:0"})
    EXPECT_EQ(host(value, *allow), Reason::http_host_syntax) << value;
  EXPECT_EQ(verdict("", *allow), Reason::http_host_missing);
  EXPECT_EQ(verdict("Host: localhost\r\nHost: localhost\r\n", *allow), Reason::http_host_missing);
  EXPECT_EQ(verdict("Host: localhost\r\nHost: evil.example\r\n", *allow), Reason::http_host_missing);
}

TEST(GuardHost, a_declared_name_passes_exactly_and_with_any_port) {
  const auto allow = list({"gw.tail1234.ts.net", "fd7a:115c::1", "GW.Example"});
  for (const auto* value : {"gw.tail1234.ts.net", "GW.tail1234.ts.net:443", "[fd7a:115c::1]:8080", "gw.example"})
    EXPECT_EQ(host(value, *allow), std::nullopt) << value;
  for (const auto* value : {"tail1234.ts.net", "x.gw.tail1234.ts.net", "gw.tail1234.ts.net.", "[fd7a:115c:0::1]"})
    EXPECT_EQ(host(value, *allow), Reason::host_not_allowed) << value;
}

TEST(GuardHost, an_absolute_target_must_name_the_same_authority) {
  const auto allow = list();
  EXPECT_EQ(verdict("Host: localhost\r\n", *allow, "http://localhost/mcp"), std::nullopt);
  EXPECT_NE(verdict("Host: localhost\r\n", *allow, "http://evil.com/mcp"), std::nullopt);
  EXPECT_NE(verdict("Host: evil.com\r\n", *allow, "http://localhost/mcp"), std::nullopt);
  EXPECT_NE(verdict("Host: evil.com\r\n", *allow, "http://evil.com/mcp"), std::nullopt);
  EXPECT_NE(verdict("Host: localhost\r\n", *allow, "http://localhost@evil.com/mcp"), std::nullopt);
}

TEST(GuardHost, every_method_is_judged) {
  const auto allow = list();
  for (const auto* method : {"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "brew"})
    EXPECT_EQ(verdict("Host: evil.example\r\n", *allow, "/", method), Reason::host_not_allowed) << method;
}

TEST(GuardHost, forwarded_headers_never_widen_nor_narrow) {
  const auto allow = list();
  for (const auto* name :
       {"X-Forwarded-Host", "Forwarded", "X-Host", "X-Original-Host", "X-Forwarded-Server", "X-HTTP-Host-Override",
        "X-Original-URL", "X-Rewrite-URL", "X-Forwarded-For", "X-Real-IP", "True-Client-IP", "CF-Connecting-IP", "Via",
        "X-Forwarded-Proto", "X-HTTP-Method-Override"}) {
    const std::string bad_host = "Host: evil.example\r\n" + std::string(name) + ": localhost\r\n";
    const std::string good_host = "Host: localhost\r\n" + std::string(name) + ": evil.example\r\n";
    EXPECT_EQ(verdict(bad_host, *allow), Reason::host_not_allowed) << name;
    EXPECT_EQ(verdict(good_host, *allow), std::nullopt) << name;
  }
  for (const auto* name : {"Host", "Origin", "Authorization"})
    EXPECT_EQ(verdict("Host: evil.example\r\nConnection: " + std::string(name) + "\r\n", *allow),
              Reason::host_not_allowed);
}

TEST(GuardOrigin, loopback_origins_pass_with_any_port_over_both_schemes_whatever_is_listed) {
  for (const Origins& origins :
       {Origins(), Origins(std::vector<std::string>{}), Origins(std::vector<std::string>{"https://app.example"})}) {
    const auto allow = list({}, origins);
    for (const auto* value : {"http://localhost", "http://localhost:3000", "https://localhost", "http://127.0.0.1:5173",
                              "http://[::1]:8080", "https://[::1]"})
      EXPECT_EQ(origin(value, *allow), std::nullopt) << value;
  }
}

TEST(GuardOrigin, absent_key_allows_any_port_on_an_allowed_host) {
  const auto allow = list({"gw.example"});
  EXPECT_EQ(origin("https://gw.example", *allow), std::nullopt);
  EXPECT_EQ(origin("http://gw.example:3000", *allow), std::nullopt);
  EXPECT_EQ(origin("https://other.example", *allow), Reason::origin_not_allowed);
}

TEST(GuardOrigin, an_empty_list_allows_loopback_alone) {
  const auto allow = list({"gw.example"}, std::vector<std::string>{});
  EXPECT_EQ(origin("https://gw.example", *allow), Reason::origin_not_allowed);
  EXPECT_EQ(origin("http://localhost:1", *allow), std::nullopt);
}

TEST(GuardOrigin, listed_origins_are_exact) {
  const auto allow = list({"gw.example"}, std::vector<std::string>{"https://app.example", "http://gw.example:3000",
                                                                   "vscode-webview://abc1"});
  EXPECT_EQ(origin("https://app.example", *allow), std::nullopt);
  EXPECT_EQ(origin("http://gw.example:3000", *allow), std::nullopt);
  EXPECT_EQ(origin("vscode-webview://abc1", *allow), std::nullopt);
  for (const auto* value : {"http://app.example", "https://app.example:8443", "https://gw.example", "http://gw.example",
                            "vscode-webview://abc2", "https://app.example/", "https://app.example.evil.com"})
    EXPECT_EQ(origin(value, *allow), Reason::origin_not_allowed) << value;
}

TEST(GuardOrigin, everything_else_is_403) {
  const auto allow = list();
  for (const auto* value : {"null",
                            "",
                            "file://",
                            "chrome-extension://abcdef",
                            "moz-extension://abc",
                            "vscode-webview://x",
                            "app://x",
                            "tauri://localhost",
                            "ws://localhost",
                            "ftp://localhost",
                            "data:",
                            "about:blank",
                            "*",
                            "http://localhost/",
                            "http://localhost/x",
                            "http://localhost?x",
                            "http://localhost#x",
                            "http://user@localhost",
                            "http://localhost:",
                            "http://localhost:99999",
                            "http://localhost:0",
                            "localhost",
                            "localhost:3000",
                            "http://localhost, http://evil",
                            "http://localhost http://evil",
                            "HTTP://LOCALHOST",
                            "http://LOCALHOST",
                            "http://localhost.",
                            "http://127.1",
                            "http://0.0.0.0:8080",
                            "http://[::ffff:127.0.0.1]",
                            "http://loc%61lhost",
                            "http://localhost.evil.com",
                            "http://localhost@evil.com",
                            "http://evil.com#localhost",
                            "http://127.0.0.1.nip.io",
                            "http://evil.example",
                            "http://[::]",
                            "http:localhost",
                            "http:///localhost"})
    EXPECT_EQ(origin(value, *allow), Reason::origin_not_allowed) << value;
  EXPECT_EQ(verdict("Host: localhost\r\nOrigin: http://localhost\r\nOrigin: http://localhost\r\n", *allow),
            Reason::origin_not_allowed);
}

TEST(GuardOrigin, host_and_origin_are_two_checks) {
  const auto allow = list();
  EXPECT_EQ(verdict("Host: evil.example\r\nOrigin: http://evil.example\r\n", *allow), Reason::host_not_allowed);
  EXPECT_EQ(verdict("Host: evil.example\r\nOrigin: http://localhost\r\n", *allow), Reason::host_not_allowed);
  EXPECT_EQ(verdict("Host: localhost\r\nOrigin: http://evil.example\r\n", *allow), Reason::origin_not_allowed);
  EXPECT_EQ(verdict("Host: localhost\r\nOrigin: http://localhost\r\n", *allow), std::nullopt);
}

TEST(GuardFetch, cross_site_without_origin_is_403_and_with_an_origin_that_decides) {
  const auto allow = list();
  EXPECT_EQ(verdict("Host: localhost\r\nSec-Fetch-Site: cross-site\r\n", *allow, "/mcp", "GET"),
            Reason::cross_site_fetch);
  EXPECT_EQ(verdict("Host: localhost\r\nsec-fetch-site: Cross-Site\r\n", *allow, "/healthz", "GET"),
            Reason::cross_site_fetch);
  EXPECT_EQ(verdict("Host: localhost\r\nSec-Fetch-Site: none\r\nSec-Fetch-Site: cross-site\r\n", *allow),
            Reason::cross_site_fetch);
  EXPECT_EQ(verdict("Host: localhost\r\nOrigin: http://localhost:5173\r\nSec-Fetch-Site: cross-site\r\n", *allow),
            std::nullopt);
  for (const auto* value : {"same-origin", "same-site", "none"})
    EXPECT_EQ(verdict("Host: localhost\r\nSec-Fetch-Site: " + std::string(value) + "\r\n", *allow), std::nullopt);
}

TEST(AllowList, an_entry_that_matches_too_much_or_never_is_an_error) {
  for (const auto* entry : {"*", "*.ts.net", ".example.com", "0.0.0.0", "::", "[::]", "0", "", "localhost:8080", "a b",
                            "http://x", "gw.example/", "bücher.example"})
    EXPECT_FALSE(AllowList::make({entry}, std::nullopt, "x").has_value()) << entry;
  for (const auto* entry :
       {"*", "null", "https://*.example", "https://app.example/", "app.example", "HTTPS://app.example", "https://",
        "://x", "", "https://a b", "vscode-webview://*", "http:localhost"})
    EXPECT_FALSE(AllowList::make({}, std::vector<std::string>{entry}, "x").has_value()) << entry;
}

TEST(Remedy, names_the_offered_value_and_the_exact_line) {
  const auto allow = list();
  EXPECT_EQ(remedy({Reason::host_not_allowed, "evil.example", {}, allow.get()}),
            R"(allowedHosts: ["evil.example"] in /etc/clawql/clawql.yaml)");
  EXPECT_EQ(remedy({Reason::origin_not_allowed, "http://a\"b\n", {}, allow.get()}),
            R"(allowedOrigins: ["http://a\"b\n"] in /etc/clawql/clawql.yaml)");
  EXPECT_EQ(remedy({Reason::cross_site_fetch, "x", {}, allow.get()}), "");
  EXPECT_EQ(remedy({Reason::route_unknown, "/x"}), "");
}

// P2 by the compiler: nothing but the guard makes what routing takes.
static_assert(!std::is_default_constructible_v<GuardedRequest>);
static_assert(!std::is_constructible_v<GuardedRequest, const http::RequestHead&>);
static_assert(!std::is_constructible_v<GuardedRequest, const http::RequestHead&, const AllowList&, std::string_view>);

}  // namespace
}  // namespace clawql::door
