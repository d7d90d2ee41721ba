#include "config/client_file.hpp"

#include <gtest/gtest.h>

#include "config/edit.hpp"
#include "json/document.hpp"

namespace clawql::config {
namespace {

constexpr std::string_view kEntry = R"({ "command": "/usr/bin/clawql", "args": ["stdio"] })";

std::string connected(std::string_view text, std::string_view key = "mcpServers") {
  auto result = with_client_entry(text, "f.json", key, "clawql", kEntry);
  return result ? *result : result.error().message;
}

TEST(Comments, become_blanks_and_every_other_byte_keeps_its_place) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"{\"a\":1}", "{\"a\":1}"},
      {"{\"a\":1,}", "{\"a\":1 }"},
      {"[1, /* x */ ]", "[1          ]"},
      {"{// x\n\"a//b\":\"/*\"}", "{    \n\"a//b\":\"/*\"}"},
      {"{\"a\\\"//\":1}//", "{\"a\\\"//\":1}  "},
      {"\xef\xbb\xbf{}", "   {}"},
      {"{}/*", "{}/*"},
      {"\"open", "\"open"},
      {",", ","},
  };
  for (const auto& [text, wanted] : cases) EXPECT_EQ(without_comments(text), wanted) << text;
}

TEST(ClientEntry, is_added_and_every_other_byte_stays) {
  const std::string member = "\"clawql\": " + std::string(kEntry);
  const std::pair<std::string_view, std::string> cases[] = {
      {"", "{\n  \"mcpServers\": {\n    " + member + "\n  }\n}\n"},
      {" \n", "{\n  \"mcpServers\": {\n    " + member + "\n  }\n}\n"},
      {"{}", "{\n  \"mcpServers\": { " + member + " }\n}"},
      {"{\n\t\"theme\": 1\n}\n", "{\n\t\"theme\": 1,\n\t\"mcpServers\": { " + member + " }\n}\n"},
      {"{\n  \"mcpServers\": {}\n}\n", "{\n  \"mcpServers\": {\n    " + member + "\n  }\n}\n"},
      {"{\"mcpServers\":{\"a\":{}}}", "{\"mcpServers\":{\"a\":{}, " + member + "}}"},
      {"{\n \"mcpServers\": {\n    \"a\": {},  // last\n },\n}",
       "{\n \"mcpServers\": {\n    \"a\": {},\n    " + member + ",  // last\n },\n}"},
      {"{\"mcpServers\": {\"clawql\": {\"command\": \"old\"}}, \"x\": 1.0}",
       "{\"mcpServers\": {" + member + "}, \"x\": 1.0}"},
  };
  for (const auto& [text, wanted] : cases) {
    EXPECT_EQ(connected(text), wanted) << text;
    EXPECT_EQ(connected(wanted), wanted) << "a second time changes nothing";
    EXPECT_TRUE(json::Document::parse(without_comments(wanted), {})) << wanted;
  }
  EXPECT_EQ(connected("{}", "servers"), "{\n  \"servers\": { " + member + " }\n}");
}

TEST(ClientEntry, a_file_that_is_not_understood_is_left_alone) {
  EXPECT_EQ(connected("{\n  \"a\": tru\n}").substr(0, 18), "f.json:2:8: not JS") << connected("{\n  \"a\": tru\n}");
  EXPECT_EQ(connected("[]"), "f.json: is no JSON object");
  EXPECT_EQ(connected("{\"mcpServers\": []}"), "f.json: `mcpServers` is no object");
  EXPECT_NE(connected("{\"a\":1,\"a\":2}").find("not JSON: duplicate key"), std::string::npos);
}

TEST(ClientEntries, go_without_a_trace_and_the_others_stay) {
  const std::string text = "{\"mcpServers\": {\n  \"a\": {}, // one\n  \"b\": {\"x\": \"}\"},\n  \"c\": {}\n}}";
  const auto without = [&](const std::vector<std::string>& names) { return *without_client_entries(text, "f", names); };
  EXPECT_EQ(without({"a"}), "{\"mcpServers\": {\n  \"b\": {\"x\": \"}\"},\n  \"c\": {}\n}}");
  EXPECT_EQ(without({"b"}), "{\"mcpServers\": {\n  \"a\": {},\n  \"c\": {}\n}}");
  EXPECT_EQ(without({"c"}), "{\"mcpServers\": {\n  \"a\": {}, // one\n  \"b\": {\"x\": \"}\"}\n}}");
  EXPECT_EQ(without({"c", "a", "b"}), "{\"mcpServers\": {}}");
  EXPECT_EQ(without({"nobody"}), text);
}

TEST(ClientServers, are_read_in_the_forms_of_all_clients) {
  const auto servers = client_servers(R"({ "inputs": [], // VS Code
    "servers": {
      "files": { "type": "stdio", "command": "npx", "args": ["-y", "ü\/\ud83d\ude00"], "env": {}, "gallery": true },
      "remote": { "type": "http", "url": "https://x" },
      "odd": { "command": "x", "disabledTools": ["a"] },
      "self": { "command": "/opt/bin/clawql", "args": ["stdio"] },
      "bad": 7,
    } })",
                                      "f.json");
  ASSERT_TRUE(servers) << servers.error().message;
  ASSERT_EQ(servers->size(), 5U);
  EXPECT_EQ((*servers)[0].entry, "{ \"command\": \"npx\", \"args\": [\"-y\", \"ü/😀\"], \"env\": {} }");
  EXPECT_EQ((*servers)[0].notes, std::vector<std::string>{"\"gallery\" has no effect in the gateway: left out"});
  EXPECT_EQ((*servers)[1].refused, "\"url\" is not yet supported (servers over HTTP)");
  EXPECT_EQ((*servers)[2].notes, std::vector<std::string>{"\"disabledTools\" is no key of the gateway: left out"});
  EXPECT_TRUE((*servers)[3].is_clawql);
  EXPECT_EQ((*servers)[4].refused, "its entry is no object");
  EXPECT_FALSE(client_servers("{}", "f"));
}

TEST(ServerName, of_a_client_is_made_lawful) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"files", "files"},
      {"my files", "my-files"},
      {"a__b", "a_b"},
      {"_a_", "a"},
      {"@x/y", "x-y"},
      {"clawql", "clawql-server"},
      {"日本", "server"},
      {"", "server"},
      {"a234567890123456789012345678901_3", "a234567890123456789012345678901"}};
  for (const auto& [name, wanted] : cases) EXPECT_EQ(lawful_server_name(name), wanted);
}

TEST(Edit, adds_servers_to_every_style_of_file_and_keeps_every_byte) {
  const std::vector<NewServer> servers = {{"b", "{ \"command\": \"y\" }"}, {"1", "{ \"command\": \"z\" }"}};
  const std::string two = "  b: { \"command\": \"y\" }\n  \"1\": { \"command\": \"z\" }\n";
  const std::string flow = "\"b\": { \"command\": \"y\" }, \"1\": { \"command\": \"z\" }";
  const std::pair<std::string, std::string> cases[] = {
      {"", "mcpServers:\n" + two},
      {"# only this", "# only this\nmcpServers:\n" + two},
      {"user: x", "user: x\nmcpServers:\n" + two},
      {"user: x\n\n# end\n", "user: x\nmcpServers:\n" + two + "\n# end\n"},
      {"mcpServers:\nuser: x\n", "mcpServers:\n" + two + "user: x\n"},
      {"mcpServers:\n  a: { command: x } # c\n\nuser: ü\n",
       "mcpServers:\n  a: { command: x } # c\n" + two + "\nuser: ü\n"},
      {"mcpServers:\n  a:\n    command: x\n    args:\n    - |\n      block\nuser: x\n",
       "mcpServers:\n  a:\n    command: x\n    args:\n    - |\n      block\n" + two + "user: x\n"},
      {"mcpServers: {}\n", "mcpServers: {" + flow + "}\n"},
      {"mcpServers: { \"ü\": 1, a: { command: x }, }\n",
       "mcpServers: { \"ü\": 1, a: { command: x }, " + flow + ", }\n"},
      {"{\"user\":\"x\"}", "{\"user\":\"x\", \"mcpServers\": { " + flow + " }}"},
      {"{}", "{\"mcpServers\": { " + flow + " }}"},
  };
  for (const auto& [text, wanted] : cases) {
    const auto edited = with_servers(text, "c.yaml", servers);
    EXPECT_TRUE(edited) << text << edited.error().message;
    if (edited) EXPECT_EQ(*edited, wanted);
  }
}

TEST(Edit, where_it_cannot_tell_the_place_it_says_what_to_add) {
  const auto edited = with_servers("mcpServers: 5\n", "c.yaml", {{"b", "{}"}});
  ASSERT_FALSE(edited);
  EXPECT_NE(edited.error().message.find("  b: {}\n"), std::string::npos) << edited.error().message;
  EXPECT_FALSE(with_servers("[]", "c.yaml", {{"b", "{}"}}));
  EXPECT_FALSE(with_servers("a: [", "c.yaml", {{"b", "{}"}}));
}

}  // namespace
}  // namespace clawql::config
