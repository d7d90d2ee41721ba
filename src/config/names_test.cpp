#include "config/names.hpp"

#include <gtest/gtest.h>

#include "config/check.hpp"
#include "config/expand.hpp"

namespace clawql::config {
namespace {

TEST(Bind, every_spelling_of_every_interface_is_refused_as_such) {
  for (const std::string_view wildcard : {"",           "*",
                                          "0",          "00",
                                          "0x0",        "0X0",
                                          "0.0",        "0.0.0",
                                          "0.0.0.0",    "000.0.0.000",
                                          "0x0.0.0.0",  "::",
                                          "::0",        "0::0",
                                          "[::]",       "[::0]",
                                          "::%eth0",    "::ffff:0.0.0.0",
                                          "::ffff:0:0", "[::ffff:0.0.0.0]",
                                          "::0.0.0.0",  "0:0:0:0:0:0:0:0",
                                          "any",        "ALL",
                                          "+",          "0.0.0.0:8080",
                                          "*:8080",     ":8080",
                                          "[::]:8080",  "address:0.0.0.0",
                                          "address:::", "address:[::]",
                                          "address:",   "address:0"}) {
    const auto status = check_bind(wildcard);
    ASSERT_FALSE(status) << wildcard;
    EXPECT_NE(status.error().message.find("means every interface"), std::string::npos) << status.error().message;
  }
}

TEST(Bind, names_and_addresses_are_refused_with_other_reasons) {
  for (const std::string_view name : {"localhost", "example.com", "tailscale0", "0 ", "my host", "loopback.", "0x"})
    EXPECT_NE(check_bind(name).error().message.find("name that resolves"), std::string::npos) << name;
  for (const std::string_view address : {"127.0.0.1", "::1", "[::1]", "10.0.0.1", "127.1", "192.168.0.1:80"})
    EXPECT_NE(check_bind(address).error().message.find("is an address"), std::string::npos) << address;
  for (const std::string_view later : {"tailscale", "interface:eth0", "address:10.0.0.1"})
    EXPECT_NE(check_bind(later).error().message.find("not yet"), std::string::npos) << later;
  EXPECT_TRUE(check_bind("loopback"));
}

TEST(AllowedHost, is_an_exact_host_as_clients_send_it) {
  EXPECT_EQ(*parse_allowed_host("GW.Tail.test"), "gw.tail.test");
  EXPECT_EQ(*parse_allowed_host("100.64.0.1"), "100.64.0.1");
  EXPECT_EQ(*parse_allowed_host("fd00:0::1"), "[fd00::1]");
  EXPECT_EQ(*parse_allowed_host("[FD00::1]"), "[fd00::1]");
  EXPECT_EQ(*parse_allowed_host("xn--bcher-kva.example"), "xn--bcher-kva.example");
  for (const std::string_view bad : {"",
                                     "*",
                                     "*.example.com",
                                     "a:80",
                                     "[::1]:80",
                                     "https://a",
                                     "a/b",
                                     "a.",
                                     "0.0.0.0",
                                     "::",
                                     "[::]",
                                     "::ffff:0.0.0.0",
                                     "127.1",
                                     "0",
                                     "0x7f.1",
                                     "1.2.3.256",
                                     "a..b",
                                     "-a",
                                     "a-",
                                     "a_b",
                                     "a b",
                                     "bücher.example",
                                     "user@a",
                                     "fe80::1%eth0",
                                     "[::1",
                                     "a,b"})
    EXPECT_FALSE(parse_allowed_host(bad)) << bad;
  EXPECT_FALSE(parse_allowed_host(std::string(64, 'a')));
  EXPECT_TRUE(parse_allowed_host(std::string(63, 'a')));
}

TEST(AllowedOrigin, is_exactly_what_a_browser_sends) {
  EXPECT_EQ(*parse_allowed_origin("https://App.example"), "https://app.example");
  EXPECT_EQ(*parse_allowed_origin("http://[::1]:6274"), "http://[::1]:6274");
  EXPECT_EQ(*parse_allowed_origin("http://a:443"), "http://a:443");
  for (const std::string_view bad : {"", "null", "*", "a.example", "ftp://a", "https://", "https://a/", "https://a?x",
                                     "https://a:443", "http://a:80", "https://a:0", "https://a:65536", "https://u@a",
                                     "https://*.a", "https://0.0.0.0", "http://::1", "vscode://x", "https://a:08"})
    EXPECT_FALSE(parse_allowed_origin(bad)) << bad;
}

TEST(ServerName, has_no_divider_in_it_nor_an_underscore_at_an_end) {
  for (const std::string_view good : {"a", "files", "my-server_2", "A1", "-", "12345678901234567890123456789012"})
    EXPECT_TRUE(check_server_name(good)) << good;
  for (const std::string_view bad :
       {"", "a__b", "_a", "a_", "a b", "a.b", "clawql", "ü", "123456789012345678901234567890123"})
    EXPECT_FALSE(check_server_name(bad)) << bad;
}

TEST(SocketPath, drops_the_scheme_and_knows_var_run) {
  EXPECT_EQ(*parse_socket_path("unix:///var/run/clawql/gateway.sock"), "/run/clawql/gateway.sock");
  EXPECT_EQ(*parse_socket_path("/tmp/a..b/x"), "/tmp/a..b/x");
  EXPECT_TRUE(parse_socket_path("/" + std::string(106, 'a')));
  EXPECT_FALSE(parse_socket_path("/" + std::string(107, 'a')));
  for (const std::string_view bad : {"", "x", "/", "/a/", "/a/..", "/a/../b", "@a", "/a\nb"})
    EXPECT_FALSE(parse_socket_path(bad)) << bad;
}

TEST(SocketMode, is_no_wider_than_owner_and_group) {
  EXPECT_EQ(*parse_socket_mode("0660"), 0660U);
  EXPECT_EQ(*parse_socket_mode("600"), 0600U);
  for (const std::string_view bad : {"", "0", "660 ", "0661", "0666", "0777", "1660", "0860", "0060", "00660"})
    EXPECT_FALSE(parse_socket_mode(bad)) << bad;
}

TEST(Expand, replaces_references_alone) {
  const Environment environment{{"A", "1"}, {"B_2", "${A}"}};
  EXPECT_EQ(*expand("x${A}y${env:A}z", environment), "x1y1z");
  EXPECT_EQ(*expand("${B_2}", environment), "${A}");  // once, never again
  EXPECT_EQ(*expand("$A $$ {A} $", environment), "$A $$ {A} $");
  EXPECT_EQ(*expand("$${A}", environment), "${A}");
  EXPECT_EQ(*expand("${NO:-d}${A:-d}${NO:-}", environment), "d1");
  for (const std::string_view bad :
       {"${", "${A", "${}", "${NO}", "${env:NO}", "${input:x}", "${workspaceFolder}", "${1}"})
    EXPECT_FALSE(expand(bad, environment)) << bad;
}

TEST(EnvFile, reads_names_values_quotes_and_comments) {
  const auto values = parse_env_file("# c\n\nA=1\n export B = two words # c\r\nC='a # b'\nD=\"x\\ny\\\"\"  # c\nE=\n");
  ASSERT_TRUE(values) << values.error().message;
  const std::vector<std::pair<std::string, std::string>> wanted = {
      {"A", "1"}, {"B", "two words"}, {"C", "a # b"}, {"D", "x\ny\""}, {"E", ""}};
  EXPECT_EQ(*values, wanted);
  for (const std::string_view bad : {"A", "1A=x", "=x", "A='x", "A=\"x\" y"}) {
    const auto refused = parse_env_file(bad);
    ASSERT_FALSE(refused) << bad;
    EXPECT_TRUE(refused.error().message.starts_with("line 1")) << refused.error().message;
  }
}

TEST(EditDistance, counts_single_changes) {
  EXPECT_EQ(edit_distance("", "abc"), 3U);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3U);
  EXPECT_EQ(edit_distance("same", "same"), 0U);
}

}  // namespace
}  // namespace clawql::config
