// The configuration as a value: what the YAML (or JSON) file says, checked whole, with defaults filled in. Only this
// room knows YAML. An error names file:line:column, what is wrong, and what would be right.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/limits.hpp"
#include "base/result.hpp"

namespace clawql::config {

struct UnixListener {
  bool enabled = true;
  std::string path;  // absolute; default by DECISIONS (runtime folder)
  std::uint32_t mode = 0660;
  std::string group = "clawql";  // a name or a number
};

struct HttpListener {
  std::string bind = "loopback";  // the only form yet
  std::uint16_t port = 8080;
};

struct AdminListener {
  bool enabled = true;
  std::string path;  // empty: admin/admin.sock beside the Unix socket, or in the runtime folder
};

struct Sandbox {
  bool listen = false;
  bool unix_sockets = false;
  std::vector<std::string> files_read, files_write;  // empty both: no file rules
};

// Whose an instance of a server is.
enum class Isolation : std::uint8_t {
  shared,     // everybody's: there is one
  session,    // a session's own
  principal,  // all sessions' of one principal
};
std::string_view name(Isolation isolation);  // as the file writes it

// One entry of mcpServers, in the form MCP clients use.
struct Server {
  std::string name;
  std::string command;
  std::vector<std::string> args;             // ${env:NAME} expanded; may hold secrets: never logged
  std::vector<std::string> args_as_written;  // the same with their references: what may be shown
  std::vector<std::pair<std::string, std::string>>
      environment;                // declared names; expanded; may hold secrets: never logged
  std::string working_directory;  // empty: the supervisor's runtime choice
  std::optional<std::vector<std::string>> tools;
  std::string prefix;  // with its "__"; "" when `prefix: ""`
  bool eager = true;
  bool disabled = false;
  Isolation isolation = Isolation::shared;
  std::uint32_t max_instances = 16;           // with another isolation than shared
  std::uint64_t instance_idle_seconds = 300;  // the same: without a call for so long, an instance is stopped
  std::uint64_t call_seconds = 0;             // `timeout`; 0: default
  std::string user;                           // empty: the gateway's own
  Sandbox sandbox;
  std::string fingerprint;  // SHA-256 over all of the above
};

struct Audit {
  bool strict = false;  // durability: written | strict
  std::string path;     // default by DECISIONS
  std::uint64_t file_bytes = 64ULL << 20;
  std::uint32_t files = 8;
};

// What the gateway does about itself: it compares what listens with what was declared.
struct Exposure {
  enum class OnDrift : std::uint8_t { alert, unready, stop };
  std::uint64_t interval_seconds = 60;
  OnDrift on_drift = OnDrift::alert;
  std::string report;  // of the host's audit; empty: none is read
  std::uint64_t max_age_seconds = 90'000;
};

struct Threads {
  std::uint32_t door = 1, engine = 1;
};

// A notice that is no error: an accepted key without effect, a finding (`server.can-reach-admin`).
struct Notice {
  std::string where;  // file:line:column
  std::string id;     // "config.no-effect", "server.can-read-config", …
  std::string text;
};

struct Config {
  std::string path;  // of the file; empty: built-in defaults
  UnixListener unix_listener;
  std::vector<HttpListener> http;  // empty: `http: false`
  AdminListener admin;
  std::vector<std::string> allowed_hosts;
  std::optional<std::vector<std::string>> allowed_origins;
  std::vector<Server> servers;  // in the order of the file
  Audit audit;
  Exposure exposure;
  Threads threads;
  base::Limits limits;
  std::string user;  // empty: as started
  bool require_sandbox = false;
  std::vector<Notice> notices;
};

// Where a user's files are. Home is the passwd entry's, never $HOME.
struct Places {
  std::string config_file;     // the default one, whether it exists or not
  std::string runtime_folder;  // /run/clawql | /run/user/UID/clawql | ~/.local/state/clawql/run
  std::string audit_file;
};
Result<Places> places_of_caller();

// Names of the environment, for ${env:NAME}. Handed in so that tests need none.
using Environment = std::map<std::string, std::string>;

// Built-in defaults (no file).
Config defaults(const Places& places);
// `text` as the content of `path`. All errors of one file are reported together, one a line.
Result<Config> parse(std::string_view text, std::string_view path, const Places& places,
                     const Environment& environment);
// Reads and parses. Refuses a file that others may write, or that somebody else but root or the caller owns (names
// owner, mode and the exact chown or chmod).
Result<Config> load(const std::string& path, const Places& places, const Environment& environment);

// What holds without and with `--config FILE`: `requested` when not empty, else the default file where it exists, else
// the built-in defaults.
Result<Config> load_effective(const std::string& requested, const Places& places, const Environment& environment);

// Where a running gateway can be found by a file that it would refuse by now (that is when `clawql reload` is needed
// most). For the command line alone: nothing is started by it.
struct FoundPlaces {
  UnixListener unix_listener;
  AdminListener admin;
  std::string audit_file;
};
FoundPlaces places_in(std::string_view text, const Places& places);

// JSON Schema 2020-12 of the file, and docs/config.md; both from the one table of keys.
std::string json_schema();
std::string markdown_reference();
// The effective configuration as YAML, secrets (environment values) replaced by "***".
std::string show(const Config& config);

}  // namespace clawql::config
