// Files that are taken: what they mean, how they are shown, and who may own them.
#include "config/config.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "config/reader.hpp"

namespace clawql::config {
namespace {

const Places kPlaces{"/etc/clawql/clawql.yaml", "/run/clawql", "/var/log/clawql/audit.jsonl"};
const Environment kEnvironment{{"TOKEN", "sekrit"}};

Config parsed(std::string_view text) {
  const auto read_file = [](const std::string& path) -> Result<std::string> {
    if (path != "/etc/clawql/a.env") return fail(path + ": no such file");
    return "FROM_FILE=1\nBOTH=file\n";
  };
  auto config = parse_with(text, "/etc/clawql/clawql.yaml", kPlaces, kEnvironment, read_file);
  EXPECT_TRUE(config) << config.error().message;
  return config ? std::move(*config) : Config{};
}

TEST(Config, without_a_file_both_doors_are_open_on_this_machine_alone) {
  const Config config = defaults(kPlaces);
  EXPECT_EQ(config.unix_listener.path, "/run/clawql/gateway.sock");
  ASSERT_EQ(config.http.size(), 1U);
  EXPECT_EQ(config.http[0].bind, "loopback");
  EXPECT_EQ(config.http[0].port, 8080);
  EXPECT_TRUE(config.admin.enabled);
  EXPECT_TRUE(config.allowed_hosts.empty());
  EXPECT_FALSE(config.allowed_origins);
  EXPECT_EQ(config.audit.path, "/var/log/clawql/audit.jsonl");
}

TEST(Config, an_empty_file_means_the_defaults) {
  for (const std::string_view empty : {"", "# nothing\n", "---\n", "{}", "\xef\xbb\xbf# a mark\n"})
    EXPECT_EQ(show(parsed(empty)).substr(show(parsed(empty)).find('\n')),
              show(defaults(kPlaces)).substr(show(defaults(kPlaces)).find('\n')))
        << empty;
}

TEST(Config, every_key_reaches_its_member) {
  const Config config = parsed(R"(
listen:
  unix: { path: unix:///var/run/clawql/g.sock, mode: "0600", group: 1000 }
  http:
    - port: 8081
    - { bind: loopback, port: 8082 }
admin: { path: /run/clawql/a.sock }
allowedHosts: [GW.test, "fd00::1"]
allowedOrigins: []
audit: { durability: strict, path: /a.jsonl, fileBytes: 65536, files: 3 }
exposure: { interval: 5, onDrift: unready, report: /run/clawql/exposure.json, maxAge: 3600 }
threads: { door: 2, engine: 3 }
user: clawql
requireSandbox: true
limits: { requestBody: 2048, drainSeconds: 0 }
mcpServers:
  files:
    command: npx
    args: [-y, 8080, true, "${env:TOKEN}"]
    env: { PORT: 80, BOTH: env }
    envFile: a.env
    cwd: /srv
    type: stdio
    timeout: 60
    tools: [read_*, write]
    prefix: fs
    start: lazy
    isolation: principal
    maxInstances: 3
    instanceIdleSeconds: 60
    user: nobody
    sandbox: { listen: true, unix: true, files: { read: [/srv], write: [/srv/out] } }
  plain: { command: /bin/x, prefix: "", disabled: true }
)");
  EXPECT_EQ(config.unix_listener.path, "/run/clawql/g.sock");
  EXPECT_EQ(config.unix_listener.mode, 0600U);
  EXPECT_EQ(config.unix_listener.group, "1000");
  ASSERT_EQ(config.http.size(), 2U);
  EXPECT_EQ(config.http[1].port, 8082);
  EXPECT_EQ(config.admin.path, "/run/clawql/a.sock");
  EXPECT_EQ(config.allowed_hosts, (std::vector<std::string>{"gw.test", "[fd00::1]"}));
  ASSERT_TRUE(config.allowed_origins);
  EXPECT_TRUE(config.allowed_origins->empty());
  EXPECT_TRUE(config.audit.strict);
  EXPECT_EQ(config.audit.path, "/a.jsonl");
  EXPECT_EQ(config.audit.file_bytes, 65536U);
  EXPECT_EQ(config.audit.files, 3U);
  EXPECT_EQ(config.exposure.interval_seconds, 5U);
  EXPECT_EQ(config.exposure.on_drift, Exposure::OnDrift::unready);
  EXPECT_EQ(config.exposure.report, "/run/clawql/exposure.json");
  EXPECT_EQ(config.exposure.max_age_seconds, 3600U);
  EXPECT_EQ(config.threads.door, 2U);
  EXPECT_EQ(config.threads.engine, 3U);
  EXPECT_EQ(config.user, "clawql");
  EXPECT_TRUE(config.require_sandbox);
  EXPECT_EQ(config.limits.request_body, 2048U);
  EXPECT_EQ(config.limits.drain_seconds, 0U);
  EXPECT_EQ(config.limits.head, base::Limits{}.head);

  ASSERT_EQ(config.servers.size(), 2U);
  const Server& files = config.servers[0];
  EXPECT_EQ(files.name, "files");
  EXPECT_EQ(files.args, (std::vector<std::string>{"-y", "8080", "true", "sekrit"}));
  const std::vector<std::pair<std::string, std::string>> environment = {
      {"FROM_FILE", "1"}, {"BOTH", "env"}, {"PORT", "80"}};
  EXPECT_EQ(files.environment, environment);
  EXPECT_EQ(files.working_directory, "/srv");
  EXPECT_EQ(files.call_seconds, 60U);
  EXPECT_EQ(*files.tools, (std::vector<std::string>{"read_*", "write"}));
  EXPECT_EQ(files.prefix, "fs__");
  EXPECT_FALSE(files.eager);
  EXPECT_EQ(files.isolation, Isolation::principal);
  EXPECT_EQ(files.max_instances, 3U);
  EXPECT_EQ(files.instance_idle_seconds, 60U);
  EXPECT_EQ(config.servers[1].isolation, Isolation::shared);
  EXPECT_EQ(config.servers[1].max_instances, 16U);
  EXPECT_EQ(config.servers[1].instance_idle_seconds, 300U);
  EXPECT_EQ(files.user, "nobody");
  EXPECT_TRUE(files.sandbox.listen);
  EXPECT_TRUE(files.sandbox.unix_sockets);
  EXPECT_EQ(files.sandbox.files_write, std::vector<std::string>{"/srv/out"});
  EXPECT_EQ(config.servers[1].prefix, "");
  EXPECT_TRUE(config.servers[1].disabled);
  EXPECT_EQ(files.fingerprint.size(), 64U);
}

TEST(Config, json_as_clients_write_it_is_read_too) {
  const Config config = parsed(
      "{\n\t\"mcpServers\":{\"a\":{\"command\":\"npx\",\"args\":[\"-y\",\"a\\/b\",\"\\u00fc\"],"
      "\"env\":{}}},\"listen\":{\"http\":false}}");
  ASSERT_EQ(config.servers.size(), 1U);
  EXPECT_EQ(config.servers[0].args[1], "a/b");
  EXPECT_EQ(config.servers[0].args[2], "ü");
  EXPECT_TRUE(config.http.empty());
}

TEST(Config, what_it_shows_it_also_reads_and_secrets_are_not_in_it) {
  const Config config = parsed(
      "mcpServers:\n  a: { command: x, args: [\"--t=${TOKEN}\", 'q\"\\'], env: { K: \"${TOKEN}\", L: literal-secret } "
      "}\n");
  const std::string shown = show(config);
  EXPECT_EQ(shown.find("sekrit"), std::string::npos);
  EXPECT_EQ(shown.find("literal-secret"), std::string::npos);
  EXPECT_NE(shown.find("\"K\": \"***\""), std::string::npos);
  EXPECT_EQ(show(parsed(shown)), shown);
}

TEST(Config, the_instances_of_a_server_are_shown_where_there_are_any) {
  const std::string shared = show(parsed("mcpServers: { a: { command: x, isolation: shared } }"));
  EXPECT_EQ(shared.find("isolation"), std::string::npos);
  const std::string own = show(parsed("mcpServers: { a: { command: x, isolation: session, maxInstances: 256 } }"));
  EXPECT_NE(own.find("    isolation: session\n    maxInstances: 256\n    instanceIdleSeconds: 300\n"),
            std::string::npos)
      << own;
  EXPECT_EQ(show(parsed(own)), own);
}

TEST(FoundPlaces, are_those_of_a_file_that_would_be_refused) {
  const FoundPlaces found = places_in(
      "listen: { unix: { path: /x/g.sock }, http: { port: 0 } }\naudit: { path: /a }\nadmin: { path: /x/a.sock }\n"
      "bogus: 1\nmcpServers: { a: { command: x, args: [\"${NOPE}\"], envFile: e } }\n",
      kPlaces);
  EXPECT_EQ(found.unix_listener.path, "/x/g.sock");
  EXPECT_EQ(found.admin.path, "/x/a.sock");
  EXPECT_EQ(found.audit_file, "/a");
  EXPECT_EQ(places_in("a: [", kPlaces).unix_listener.path, "/run/clawql/gateway.sock");
}

std::vector<std::string> notices_of(std::string_view text) {
  std::vector<std::string> ids;
  for (const Notice& notice : parsed(text).notices) ids.push_back(notice.where + " " + notice.id);
  return ids;
}

TEST(Config, keys_without_effect_and_findings_are_noticed) {
  using Ids = std::vector<std::string>;
  const std::string file = "/etc/clawql/clawql.yaml";
  EXPECT_EQ(notices_of("mcpServers: { a: { command: x, alwaysAllow: [y], gallery: true } }"),
            (Ids{file + ":1:32 config.no-effect", file + ":1:50 config.no-effect"}));
  EXPECT_EQ(notices_of("mcpServers: { a: { command: x, maxInstances: 2, instanceIdleSeconds: 9 } }"),
            (Ids{file + ":1:46 config.no-effect", file + ":1:70 config.no-effect"}));
  EXPECT_EQ(notices_of("mcpServers: { a: { command: x, maxInstances: 2, isolation: session } }"), Ids{});
  EXPECT_EQ(notices_of("mcpServers: { a: { command: /usr/bin/docker } }"), (Ids{file + ":1:18 server.needs-unix"}));
  EXPECT_EQ(notices_of("mcpServers: { a: { command: docker, sandbox: { unix: true } } }"),
            (Ids{file + ":1:54 server.can-reach-admin"}));
  EXPECT_EQ(notices_of("mcpServers: { a: { command: docker, user: x, sandbox: { unix: true, listen: true } } }"),
            (Ids{file + ":1:77 server.can-listen"}));
  EXPECT_EQ(notices_of("mcpServers: { a: { command: x, env: { Api_Key: abc, B: c } } }"),
            (Ids{file + ":1:48 server.can-read-config"}));
  EXPECT_EQ(notices_of("mcpServers: { a: { command: x, env: { API_KEY: \"${TOKEN}\" } } }"), Ids{});
}

TEST(Fingerprint, changes_with_every_member_and_with_nothing_else) {
  const auto of = [](std::string_view entry) {
    return parsed("mcpServers: { a: { " + std::string(entry) + " } }").servers.at(0).fingerprint;
  };
  const std::string plain = of("command: x");
  EXPECT_EQ(of("command: \"x\", args: [], env: {}"), plain);
  EXPECT_EQ(of("command: x, alwaysAllow: []"), plain);
  for (const std::string_view other :
       {"command: y", "command: x, args: [a]", "command: x, env: {A: b}", "command: x, cwd: /", "command: x, tools: []",
        "command: x, prefix: \"\"", "command: x, start: lazy", "command: x, disabled: true", "command: x, timeout: 1",
        "command: x, isolation: session", "command: x, isolation: principal", "command: x, maxInstances: 15",
        "command: x, instanceIdleSeconds: 299", "command: x, user: u", "command: x, sandbox: {listen: true}",
        "command: x, sandbox: {unix: true}", "command: x, sandbox: {files: {read: [/a]}}",
        "command: x, sandbox: {files: {write: [/a]}}"})
    EXPECT_NE(of(other), plain) << other;
  EXPECT_NE(of("command: x, args: [ab, c]"), of("command: x, args: [a, bc]"));
  EXPECT_NE(of("command: x, sandbox: {files: {read: [/a]}}"), of("command: x, sandbox: {files: {write: [/a]}}"));
}

// A file in a folder of its own, with a mode.
class File {
 public:
  File(std::string_view text, mode_t mode) {
    std::string folder = std::filesystem::temp_directory_path() / "clawql-config-XXXXXX";
    folder_ = mkdtemp(folder.data());
    std::ofstream(path()) << text;
    EXPECT_EQ(chmod(path().c_str(), mode), 0);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File() { std::filesystem::remove_all(folder_); }
  std::string path() const { return folder_ + "/c.yaml"; }

 private:
  std::string folder_;
};

TEST(Load, a_file_that_others_may_write_is_refused_with_the_command_that_mends_it) {
  const File good("user: x\n", 0600);
  EXPECT_EQ(load(good.path(), kPlaces, {})->user, "x");
  for (const mode_t mode : {0620U, 0602U, 0666U, 0664U}) {
    const File bad("user: x\n", mode);
    const auto config = load(bad.path(), kPlaces, {});
    ASSERT_FALSE(config);
    EXPECT_NE(config.error().message.find("`chmod go-w " + bad.path() + "`"), std::string::npos)
        << config.error().message;
    EXPECT_NE(config.error().message.find("mode 06"), std::string::npos) << config.error().message;
  }
}

TEST(Load, a_file_of_somebody_else_is_refused_with_the_command_that_mends_it) {
  EXPECT_TRUE(check_owner("/c", 0, S_IFREG | 0644, 1000));
  EXPECT_TRUE(check_owner("/c", 1000, S_IFREG | 0644, 1000));
  EXPECT_EQ(check_owner("/c", 12, S_IFREG | 0600, 1000).error().message,
            "/c: belongs to somebody else (owner 12, mode 0600), who could make the gateway start any program: "
            "`chown 1000 /c`");
  EXPECT_EQ(check_owner("/c", 1000, S_IFREG | 0600, 0).error().message,
            "/c: belongs to somebody else (owner 1000, mode 0600), who could make the gateway start any program: "
            "`chown root /c`");
}

TEST(Load, what_is_no_regular_file_is_refused_without_waiting) {
  const File file("", 0600);
  const std::string fifo = file.path() + ".fifo";
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  EXPECT_NE(load(fifo, kPlaces, {}).error().message.find("not a regular file"), std::string::npos);
  EXPECT_FALSE(load(file.path() + ".missing", kPlaces, {}));
}

TEST(Load, without_a_named_file_a_missing_default_one_means_the_defaults) {
  const File file("user: x\n", 0600);
  EXPECT_EQ(load_effective("", {file.path(), "/run/clawql", "/a"}, {})->user, "x");
  EXPECT_EQ(load_effective("", {file.path() + ".missing", "/run/clawql", "/a"}, {})->path, "");
  EXPECT_FALSE(load_effective(file.path() + ".missing", kPlaces, {}));
}

TEST(Places, home_is_the_passwd_entrys_whatever_the_environment_says) {
  const auto before = places_of_caller();
  ASSERT_TRUE(before) << before.error().message;
  const char* home = getenv("HOME");
  const std::string saved = home == nullptr ? "" : home;
  ASSERT_EQ(setenv("HOME", "/nowhere", 1), 0);
  const auto after = places_of_caller();
  if (home != nullptr)
    setenv("HOME", saved.c_str(), 1);
  else
    unsetenv("HOME");
  EXPECT_EQ(after->config_file, before->config_file);
  EXPECT_EQ(after->runtime_folder, before->runtime_folder);
  if (geteuid() == 0) EXPECT_EQ(after->config_file, "/etc/clawql/clawql.yaml");
}

}  // namespace
}  // namespace clawql::config
