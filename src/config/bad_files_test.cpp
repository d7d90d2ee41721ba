// Files that are refused: each with the exact place and words of every problem.
#include <gtest/gtest.h>

#include <algorithm>
#include <span>

#include "config/reader.hpp"

namespace clawql::config {
namespace {

const Places kPlaces{"/etc/clawql/clawql.yaml", "/run/clawql", "/var/log/clawql/audit.jsonl"};
const Environment kEnvironment{{"TOKEN", "sekrit"}};

std::string problems_of(std::string_view text) {
  const auto read_file = [](const std::string& path) -> Result<std::string> { return fail(path + ": no such file"); };
  const auto config = parse_with(text, "c.yaml", kPlaces, kEnvironment, read_file);
  return config ? "accepted" : config.error().message;
}

struct Case {
  std::string_view text;
  std::string_view problems;
};

void expect_all(std::span<const Case> cases) {
  for (const Case& one : cases) EXPECT_EQ(problems_of(one.text), one.problems) << one.text;
}

TEST(BadFile, what_is_not_one_document_of_plain_yaml_is_refused) {
  const Case cases[] = {
      {"a: [1", "c.yaml:2:1: not YAML: did not find expected ',' or ']' (while parsing a flow sequence)"},
      {"limits: {}\n\tuser: x\n",
       "c.yaml:2:1: not YAML: found character that cannot start any token (while scanning for the next token)"},
      {"user: a\nuser: b\n", "c.yaml:2:1: duplicate key \"user\": it stands in line 1 already; keep one of them"},
      {R"({"user": "a", "\u0075ser": "b"})",
       "c.yaml:1:15: duplicate key \"user\": it stands in line 1 already; keep one of them"},
      {"user: &me root\n", "c.yaml:1:7: anchors (&name) are refused: write the value where it is meant"},
      {"user: &me root\nlisten: *me\n",
       "c.yaml:1:7: anchors (&name) are refused: write the value where it is meant\n"
       "c.yaml:2:9: aliases (*name) are refused: write the value where it is meant"},
      {"user: !!str root\n", "c.yaml:1:7: tags (!name) are refused: write the plain value"},
      {"user: a\n---\nuser: b\n", "c.yaml:2:1: a second document begins here: a configuration is one document"},
      {"user: \"\xff\"\n", "c.yaml:1:8: not UTF-8 text: invalid leading UTF-8 octet"},
      {"[a, b]", "c.yaml:1:1: a configuration is a list of keys with values, e.g. `listen: { http: { port: 8080 } }`"},
      {"? [a]\n: b\n", "c.yaml:1:3: a key must be a single word"},
  };
  expect_all(cases);
  const std::string deep = "a: " + std::string(40, '[') + std::string(40, ']');
  EXPECT_EQ(problems_of(deep), "c.yaml:1:35: nested deeper than 32 levels");
  EXPECT_EQ(problems_of(std::string((1U << 20) + 1, '#')), "c.yaml:1:1: larger than 1048576 bytes");
}

TEST(BadFile, an_unknown_key_names_the_nearest_known_one) {
  const Case cases[] = {
      {"alowedHosts: []\n", "c.yaml:1:1: unknown key \"alowedHosts\": did you mean `allowedHosts`?"},
      {"allowed_hosts: []\n", "c.yaml:1:1: unknown key \"allowed_hosts\": did you mean `allowedHosts`?"},
      {"servers: {}\n", "c.yaml:1:1: unknown key \"servers\": did you mean `mcpServers`?"},
      {"listen:\n  http: { prot: 80 }\n", "c.yaml:2:11: unknown key \"prot\": did you mean `port`?"},
      {"port: 80\n", "c.yaml:1:1: unknown key \"port\": it stands below `listen.http`"},
      {"threads: { zzzzzzzzz: 1 }\n", "c.yaml:1:12: unknown key \"zzzzzzzzz\": known here are door, engine"},
      {"mcpServers:\n  a: { command: x, comand: y }\n", "c.yaml:2:20: unknown key \"comand\": did you mean `command`?"},
      {"limits: { inFligth: 3 }\n", "c.yaml:1:11: unknown key \"inFligth\": did you mean `inFlight`?"},
      {"mcpServers.*: {}\n", "c.yaml:1:1: unknown key \"mcpServers.*\": did you mean `mcpServers`?"},
  };
  expect_all(cases);
}

TEST(BadFile, a_key_of_a_later_version_says_not_yet) {
  const Case cases[] = {
      {"tls: {}\n", "c.yaml:1:1: `tls` is not yet supported (TLS on listeners): leave it out"},
      {"policy: []\n", "c.yaml:1:1: `policy` is not yet supported (rules for tools): leave it out"},
      {"listen: { http: { sources: [] } }\n",
       "c.yaml:1:19: `sources` is not yet supported (client networks): leave it out"},
      {"mcpServers: { r: { url: \"https://x\", headers: {} } }\n",
       "c.yaml:1:20: `url` is not yet supported (servers over HTTP): leave it out\n"
       "c.yaml:1:38: `headers` is not yet supported (servers over HTTP): leave it out"},
      {"mcpServers: { r: { type: http, command: x } }\n",
       "c.yaml:1:26: `type: http` is not yet supported (servers over HTTP): only `stdio`"},
      {"listen: { http: { bind: tailscale } }\n",
       "c.yaml:1:25: `bind`: \"tailscale\" is not yet supported: write `loopback`"},
      {"listen: { http: { bind: \"interface:wg0\" } }\n",
       "c.yaml:1:25: `bind`: \"interface:wg0\" is not yet supported: write `loopback`"},
      {"listen: { http: { bind: \"address:100.64.0.1\" } }\n",
       "c.yaml:1:25: `bind`: \"address:100.64.0.1\" is not yet supported: write `loopback`"},
  };
  expect_all(cases);
}

TEST(BadFile, a_value_of_a_wrong_shape_says_what_is_wanted) {
  const Case cases[] = {
      {"requireSandbox: yes\n", "c.yaml:1:17: `requireSandbox` wants `true` or `false`, not \"yes\""},
      {"requireSandbox: \"true\"\n", "c.yaml:1:17: `requireSandbox` wants `true` or `false`, not \"true\""},
      {"listen: on\n", "c.yaml:1:9: `listen` wants keys below it, not \"on\""},
      {"threads: { door: 1.5 }\n", "c.yaml:1:18: `threads.door` wants a whole number from 1 to 64, not \"1.5\""},
      {"threads: { door: 010 }\n", "c.yaml:1:18: `threads.door` wants a whole number from 1 to 64, not \"010\""},
      {"allowedHosts: a.example\n", "c.yaml:1:15: `allowedHosts` wants a list of texts, not \"a.example\""},
      {"allowedHosts: [~]\n", "c.yaml:1:16: `allowedHosts` lists texts, not nothing"},
      {"audit: { durability: sometimes }\n",
       "c.yaml:1:22: `audit.durability` is one of `written`, `strict`, not \"sometimes\""},
      {"exposure: { onDrift: panic }\n",
       "c.yaml:1:22: `exposure.onDrift` is one of `alert`, `unready`, `stop`, not \"panic\""},
      {"exposure: { interval: 0 }\n",
       "c.yaml:1:23: `exposure.interval` wants a whole number from 1 to 86400, not \"0\""},
      {"exposure: { report: exposure.json }\n", "c.yaml:1:21: `report`: wants an absolute path, not \"exposure.json\""},
      {"listen: { unix: false, http: false }\n", "c.yaml:1:9: both doors are `false`: nobody could reach the gateway"},
      {"listen: { http: [] , unix: true }\n",
       "c.yaml:1:28: `listen.unix` wants keys below it, or `false`, not \"true\""},
      {"listen:\n  http: [{port: 1}, {port: 1}]\n",
       "c.yaml:2:28: port 1 is declared twice: give each listener its own"},
      {"limits: { inFlight: 10 }\n",
       "c.yaml:1:21: `inFlightPeer` (256) is greater than `inFlight` (10): raise the one or lower the other"},
  };
  expect_all(cases);
}

TEST(BadFile, ports_modes_paths_and_accounts_have_their_reasons) {
  const Case cases[] = {
      {"listen: { http: { port: 0 } }\n",
       "c.yaml:1:25: `listen.http.port` wants a whole number from 1 to 65535, not \"0\" (port 0 would listen on a port "
       "that nobody declared)"},
      {"listen: { http: { port: 65536 } }\n",
       "c.yaml:1:25: `listen.http.port` wants a whole number from 1 to 65535, not \"65536\""},
      {"listen: { unix: { mode: 0660 } }\n",
       "c.yaml:1:25: `mode` stands in quotes: write \"0660\" (without them YAML readers take it for one number or "
       "another)"},
      {"listen: { unix: { mode: \"0666\" } }\n",
       "c.yaml:1:25: `mode`: is at most \"0660\": others get no access (whoever connects can call tools), and a socket "
       "is not executed"},
      {"listen: { unix: { mode: \"rw\" } }\n",
       "c.yaml:1:25: `mode`: wants four octal digits in quotes, e.g. \"0660\", not \"rw\""},
      {"listen: { unix: { path: gateway.sock } }\n",
       "c.yaml:1:25: `path`: wants an absolute path, not \"gateway.sock\""},
      {"listen: { unix: { path: /run/../x.sock } }\n", "c.yaml:1:25: `path`: write the path without \"..\""},
      {"listen: { unix: { path: \"@gateway\" } }\n",
       "c.yaml:1:25: `path`: abstract sockets have no file mode: write an absolute path"},
      {"listen: { unix: { path: /run/clawql/gateway.sock } }\nadmin: { path: /var/run/clawql/gateway.sock }\n",
       "c.yaml:2:16: the admin socket is not the clients' socket: choose another path"},
      {"user: \"-x\"\n", "c.yaml:1:7: `user`: wants a name or a number of /etc/passwd or /etc/group, not \"-x\""},
  };
  expect_all(cases);
}

TEST(BadFile, an_entry_of_mcp_servers_is_checked_whole) {
  const Case cases[] = {
      {"mcpServers: { a__b: { command: x } }\n",
       "c.yaml:1:15: `mcpServers`: a server's name holds no \"__\": it divides the server from the tool"},
      {"mcpServers: { clawql: { command: x } }\n",
       "c.yaml:1:15: `mcpServers`: \"clawql\" is the built-in server: choose another name"},
      {"mcpServers: { a: {} }\n", "c.yaml:1:15: server \"a\" has no `command`"},
      {"mcpServers: { a: { command: ./x } }\n",
       "c.yaml:1:29: `command` wants a program found in PATH or an absolute path, not the relative \"./x\""},
      {"mcpServers: { a: { command: x, args: [\"${env:NOPE}\"] } }\n",
       "c.yaml:1:39: `args`: the environment of clawql-api has no \"NOPE\": set it before the start"},
      {"mcpServers: { a: { command: \"${TOKEN}\" } }\n",
       "c.yaml:1:29: `command`: `${…}` is replaced in `args` and `env` alone: write the value"},
      {"mcpServers: { a: { command: x, env: { A: \"${input:key}\" } } }\n",
       "c.yaml:1:42: `env`: \"${input:key}\" is a client's own variable: the gateway knows ${env:NAME} alone (write "
       "`$${` for a plain `${`)"},
      {"mcpServers: { a: { command: x, env: { \"A B\": c } } }\n",
       "c.yaml:1:39: `env`: \"A B\" is no name of the environment (letters, digits, `_`)"},
      {"mcpServers: { a: { command: x, env: { A: [hunter2] } } }\n",
       "c.yaml:1:42: \"A\" wants a text: write \"\" for an empty one"},
      {"mcpServers: { a: { command: x, timeout: 600000 } }\n",
       "c.yaml:1:41: `mcpServers.NAME.timeout` wants a whole number from 1 to 86400, not \"600000\" (it counts "
       "seconds, "
       "not milliseconds)"},
      {"mcpServers: { a: { command: x, prefix: clawql } }\n",
       "c.yaml:1:40: `prefix` follows the rules of a server's name, and \"__\" is added: \"clawql\" is the built-in "
       "server: choose another name"},
      {"mcpServers: { a: { command: x, envFile: .env } }\n", "c.yaml:1:41: `envFile`: ./.env: no such file"},
  };
  expect_all(cases);
}

TEST(BadFile, a_collision_that_the_file_shows_names_both_owners) {
  const Case cases[] = {
      {"mcpServers:\n  a: { command: x, prefix: \"\", tools: [read] }\n  b: { command: y, prefix: \"\", tools: [read] "
       "}\n",
       "c.yaml:3:40: the tool name \"read\" belongs to server \"a\" and to server \"b\": give one of them a `prefix`"},
      {"mcpServers:\n  a: { command: x, tools: [read] }\n  b: { command: y, prefix: a, tools: [read] }\n",
       "c.yaml:3:39: the tool name \"a__read\" belongs to server \"a\" and to server \"b\": give one of them a "
       "`prefix`"},
      {"mcpServers:\n  a: { command: x, prefix: \"\", tools: [clawql__audit] }\n",
       "c.yaml:2:40: the tool name \"clawql__audit\" belongs to server \"clawql\" and to server \"a\": give one of "
       "them a "
       "`prefix`"},
      {"mcpServers:\n  a: { command: x, prefix: \"\", tools: [read] }\n"
       "  b: { command: y, prefix: \"\", tools: [read], disabled: true }\n",
       "accepted"},
  };
  expect_all(cases);
}

TEST(BadFile, all_problems_are_reported_together_in_the_order_of_the_file) {
  EXPECT_EQ(
      problems_of("listen: { http: { bind: \"0\", port: 0 } }\nuser: \"\"\nzzzzzzzzzzzzzzzzzzz: 1\nuser: b\n"),
      "c.yaml:1:25: `bind`: \"0\" means every interface, which the gateway never listens on: write `loopback`\n"
      "c.yaml:1:36: `listen.http.port` wants a whole number from 1 to 65535, not \"0\" (port 0 would listen on a "
      "port that nobody declared)\n"
      "c.yaml:2:7: `user`: wants a name or a number of /etc/passwd or /etc/group, not \"\"\n"
      "c.yaml:3:1: unknown key \"zzzzzzzzzzzzzzzzzzz\": known here are listen, admin, allowedHosts, allowedOrigins, "
      "mcpServers, audit, exposure, threads, user, requireSandbox, limits\n"
      "c.yaml:4:1: duplicate key \"user\": it stands in line 2 already; keep one of them");
}

TEST(BadFile, no_message_holds_a_value_that_may_be_secret) {
  const std::string text =
      "mcpServers:\n  a:\n    command: x\n    args: [[hunter2], {b: hunter2}, \"${TOKEN}\\0\"]\n"
      "    env: { A: [hunter2], B: \"hunter2${\", C: {d: hunter2} }\n  b: { command: x, env: hunter2, args: hunter2 "
      "}\n";
  const std::string problems = problems_of(text);
  EXPECT_EQ(problems.find("hunter2"), std::string::npos) << problems;
  EXPECT_EQ(problems.find("sekrit"), std::string::npos) << problems;
  EXPECT_EQ(std::count(problems.begin(), problems.end(), '\n'), 7) << problems;
}

}  // namespace
}  // namespace clawql::config
