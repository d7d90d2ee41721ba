#include "config/keys.hpp"

#include <boost/describe/members.hpp>
#include <boost/mp11/algorithm.hpp>
#include <iterator>

#include "base/check.hpp"
#include "base/limits.hpp"
#include "config/limit_ranges.hpp"

namespace clawql::config {
namespace {

Key later(std::string path, std::string doc) {
  return {.path = std::move(path), .type = Type::anything, .doc = std::move(doc), .standing = Standing::later};
}
Key without_effect(std::string path, std::string doc) {
  return {.path = std::move(path), .type = Type::anything, .doc = std::move(doc), .standing = Standing::no_effect};
}
Key integer(std::string path, std::uint64_t minimum, std::uint64_t maximum, std::string fallback, std::string doc) {
  return {.path = std::move(path),
          .type = Type::integer,
          .fallback = std::move(fallback),
          .doc = std::move(doc),
          .minimum = minimum,
          .maximum = maximum};
}
Key key(std::string path, Type type, std::string fallback, std::string doc) {
  return {.path = std::move(path), .type = type, .fallback = std::move(fallback), .doc = std::move(doc)};
}
Key choice(std::string path, std::vector<std::string_view> choices, std::string fallback, std::string doc) {
  return {.path = std::move(path),
          .type = Type::choice,
          .fallback = std::move(fallback),
          .doc = std::move(doc),
          .choices = std::move(choices)};
}
Key secret(std::string path, Type type, std::string fallback, std::string doc) {
  Key made = key(std::move(path), type, std::move(fallback), std::move(doc));
  made.secret = true;
  return made;
}

std::vector<Key> listen_keys() {
  return {
      key("listen", Type::object, "both doors", "Where clients reach the gateway."),
      key("listen.unix", Type::object_or_false, "on",
          "The Unix socket, the preferred door: the kernel says who is calling. `false` closes it."),
      key("listen.unix.path", Type::text,
          "`/run/clawql/gateway.sock` as root, else `/run/user/UID/clawql/gateway.sock`, else "
          "`~/.local/state/clawql/run/gateway.sock`",
          "Absolute path, at most 107 bytes. `unix:///run/clawql/gateway.sock` is the same as "
          "`/run/clawql/gateway.sock`, and `/var/run` the same as `/run`."),
      key("listen.unix.mode", Type::text, "`\"0660\"`",
          "File mode of the socket, in quotes. Others never have access, so nothing beyond `\"0660\"` is taken."),
      key("listen.unix.group", Type::text, "`clawql`", "Group of the socket, a name or a number."),
      key("listen.http", Type::objects_or_false, "on",
          "Streamable HTTP: one listener, a list of them, or `false` for none."),
      key("listen.http.bind", Type::text, "`loopback`",
          "`loopback` is 127.0.0.1 and, where the host has it, ::1. Wildcards (`0.0.0.0`, `::`, `*`, an empty value …) "
          "and host names are refused in every spelling. `tailscale`, `interface:NAME` and `address:IP` are not yet "
          "supported."),
      integer("listen.http.port", 1, 65535, "`8080`", "TCP port. Port 0 is refused: what listens is what is declared."),
      later("listen.http.sources", "client networks"),
      later("listen.http.tls", "TLS on listeners"),
      later("listen.http.auth", "authentication on HTTP listeners"),
      key("admin", Type::object_or_false, "on",
          "The socket for `clawql status`, `reload` and `doctor`. It is given to no client. `false` closes it."),
      key("admin.path", Type::text, "`admin/admin.sock` beside the Unix socket, or in the runtime folder",
          "Absolute path, at most 107 bytes. Its folder is 0700, the socket 0600."),
      key("allowedHosts", Type::texts, "none",
          "Host names that clients may use in `Host`, besides `localhost`, `127.0.0.1` and `::1`. Exact names: no "
          "wildcards, no ports."),
      key("allowedOrigins", Type::texts, "absent",
          "Web pages that may call. Absent: any port on an allowed host, over http or https. Listed: exactly these "
          "`scheme://host[:port]`, besides loopback. `[]`: loopback only."),
  };
}

std::vector<Key> server_keys() {
  return {
      key("mcpServers", Type::object_map, "none",
          "The MCP servers behind the gateway, in the form that MCP clients use, so that entries can be pasted. A name "
          "matches `[A-Za-z0-9_-]{1,32}`, holds no `__` and neither begins nor ends with `_`; `clawql` is the built-in "
          "server. Their tools appear as `name__tool`. `${env:NAME}`, `${NAME}` and `${NAME:-default}` are replaced "
          "from the environment of `clawql-api` in `args` and in values of `env` alone; `$${` is a plain `${`."),
      key("mcpServers.*", Type::object, "", "One server."),
      key("mcpServers.*.command", Type::text, "required", "A program found in PATH, or an absolute path."),
      secret("mcpServers.*.args", Type::texts, "none", "Its arguments."),
      secret("mcpServers.*.env", Type::text_map, "none",
             "Its environment, besides HOME, LOGNAME, PATH, SHELL, TERM, USER, LANG, TZ and TMPDIR. The gateway's own "
             "environment is not passed on."),
      key("mcpServers.*.envFile", Type::text, "none",
          "A file of NAME=VALUE lines; names in `env` win. A relative path starts at the folder of the configuration."),
      key("mcpServers.*.cwd", Type::text, "a folder of the gateway's", "Working directory, an absolute path."),
      choice("mcpServers.*.type", {"stdio", "http", "sse", "streamable-http", "streamableHttp"}, "`stdio`",
             "Only `stdio` yet."),
      key("mcpServers.*.disabled", Type::boolean, "`false`", "`true`: checked, but not started and not shown."),
      integer("mcpServers.*.timeout", 1, 86400, "`limits.callSeconds`", "Seconds that a call may take."),
      key("mcpServers.*.tools", Type::texts, "all",
          "Tools that are let through: names as the server writes them, or globs with `*` and `?`. `[]` is none."),
      key("mcpServers.*.prefix", Type::text, "the server's name",
          "Put before the names of its tools, with `__` between. `\"\"` keeps the names as they are."),
      choice("mcpServers.*.start", {"eager", "lazy"}, "`eager`", "When it is started: at once, or by the first call."),
      choice(
          "mcpServers.*.isolation", {"shared", "session", "principal"}, "`shared`",
          "Who shares an instance: `shared`, all clients, which it therefore can ask nothing; `session`, one session "
          "of one client, whose roots, sampling and elicitation it is offered; `principal`, all sessions of one "
          "principal."),
      integer("mcpServers.*.maxInstances", 1, 256, "`16`",
              "Instances at a time, with `isolation: session` or `principal`. A call that would need one more fails "
              "with the reason."),
      integer("mcpServers.*.instanceIdleSeconds", 1, 7ULL * 86400, "`300`",
              "Seconds without a call after which such an instance is stopped. The next call starts another."),
      key("mcpServers.*.user", Type::text, "the gateway's",
          "User to run it as, a name or a number; needs a root start."),
      key("mcpServers.*.sandbox", Type::object, "closed",
          "What the server may do beyond reading, writing and calling out."),
      key("mcpServers.*.sandbox.listen", Type::boolean, "`false`", "Let it open listening TCP ports."),
      key("mcpServers.*.sandbox.unix", Type::boolean, "`false`",
          "Let it use Unix sockets. `docker` and `podman` need it. Where it shares the gateway's user it can reach the "
          "admin socket too."),
      key("mcpServers.*.sandbox.files", Type::object, "all of its user's files",
          "Let it use these paths alone, besides the system's programs and libraries."),
      key("mcpServers.*.sandbox.files.read", Type::texts, "none", "Absolute paths that it may read."),
      key("mcpServers.*.sandbox.files.write", Type::texts, "none", "Absolute paths that it may read and write."),
      later("mcpServers.*.url", "servers over HTTP"),
      later("mcpServers.*.headers", "servers over HTTP"),
      later("mcpServers.*.oauth", "servers over HTTP"),
      later("mcpServers.*.auth", "servers over HTTP"),
      later("mcpServers.*.secrets", "secrets from a store"),
      later("mcpServers.*.policy", "rules for tools"),
      without_effect("mcpServers.*.alwaysAllow", "of a client's own dialogs"),
      without_effect("mcpServers.*.autoApprove", "of a client's own dialogs"),
      without_effect("mcpServers.*.trust", "of a client's own dialogs"),
      without_effect("mcpServers.*.gallery", "of a client's own dialogs"),
      without_effect("mcpServers.*.version", "of a client's own dialogs"),
      without_effect("mcpServers.*.dev", "of a client's own dialogs"),
      without_effect("mcpServers.*.description", "of a client's own dialogs"),
      without_effect("mcpServers.*.icon", "of a client's own dialogs"),
      without_effect("mcpServers.*.chatInput", "of a client's own dialogs"),
      without_effect("mcpServers.*.transportType", "of a client's own dialogs"),
  };
}

std::vector<Key> process_keys() {
  return {
      key("audit", Type::object, "on", "The audit log: one JSON line an event, appended."),
      choice("audit.durability", {"written", "strict"}, "`written`",
             "`strict`: a record is on disk before the action it describes is sent upstream."),
      key("audit.path", Type::text, "`/var/log/clawql/audit.jsonl` as root, else `~/.local/state/clawql/audit.jsonl`",
          "Absolute path."),
      integer("audit.fileBytes", 64U << 10, 1ULL << 40, "`67108864`", "A file of this size is followed by the next."),
      integer("audit.files", 1, 1000, "`8`", "Files kept, the present one included."),
      key("exposure", Type::object, "as listed",
          "The gateway compares what listens in its processes, and the files of its sockets, with what was declared: "
          "at "
          "start, after each reload and on a schedule (docs/ports.md)."),
      integer("exposure.interval", 1, 86400, "`60`", "Seconds between two looks."),
      choice(
          "exposure.onDrift", {"alert", "unready", "stop"}, "`alert`",
          "`alert`: an event in the audit log, a metric and a line in the log. `unready`: `/readyz` says 503 as well, "
          "until it is as declared again. `stop`: the gateway ends with status 1."),
      key("exposure.report", Type::text, "none",
          "Report of the host's audit, an absolute path (`clawql ports audit --report FILE`, written by "
          "clawql-ports-audit.timer). What it found is drift, and so is a report that is missing, broken, older than "
          "`exposure.maxAge`, or writable by others than root and the gateway's user."),
      integer("exposure.maxAge", 1, 31'536'000, "`90000`", "Seconds after which the report is too old."),
      key("threads", Type::object, "one each", "Threads of the programs that do the work."),
      integer("threads.door", 1, 64, "`1`", "Loops of the door."),
      integer("threads.engine", 1, 64, "`1`", "Shards of the engine."),
      key("user", Type::text, "as started", "User to become after a root start, a name or a number."),
      key("requireSandbox", Type::boolean, "`false`",
          "`true`: refuse to start where a layer of the lock-down is missing on this kernel."),
      key("limits", Type::object, "as listed", "Sizes in bytes, times in seconds, counts."),
  };
}

std::vector<Key> later_keys() {
  return {
      later("tls", "TLS on listeners"),
      later("auth", "authentication"),
      later("identity", "authentication"),
      later("secrets", "secrets from a store"),
      later("policy", "rules for tools"),
      later("telemetry", "traces"),
      later("store", "shared state"),
      later("ui", "the operator's page"),
      later("openapi", "APIs as tools"),
      {.path = "$schema", .type = Type::anything, .doc = "For editors.", .standing = Standing::ignored},
  };
}

std::vector<Key> limit_keys() {
  std::vector<Key> made;
  const base::Limits defaults;
  boost::mp11::mp_for_each<boost::describe::describe_members<base::Limits, boost::describe::mod_public>>(
      [&](auto member) {
        const LimitRange* range = find_limit_range(member.name);
        CLAWQL_CHECK(range != nullptr);  // a new limit needs its row in limit_ranges.cpp
        made.push_back(integer("limits." + camel_case(member.name), range->minimum, range->maximum,
                               "`" + std::to_string(defaults.*member.pointer) + "`", std::string(range->doc)));
      });
  return made;
}

std::vector<Key> make_keys() {
  std::vector<Key> all;
  for (auto part : {listen_keys(), server_keys(), process_keys(), limit_keys(), later_keys()})
    all.insert(all.end(), std::make_move_iterator(part.begin()), std::make_move_iterator(part.end()));
  return all;
}

}  // namespace

std::string_view Key::name() const {
  const std::string_view whole = path;
  const std::size_t dot = whole.rfind('.');
  return dot == std::string_view::npos ? whole : whole.substr(dot + 1);
}

const std::vector<Key>& keys() {
  static const std::vector<Key> table = make_keys();
  return table;
}

const Key* find_key(std::string_view path) {
  for (const Key& candidate : keys())
    if (candidate.path == path) return &candidate;
  return nullptr;
}

std::vector<const Key*> keys_below(std::string_view path) {
  std::vector<const Key*> found;
  for (const Key& candidate : keys()) {
    const std::string_view whole = candidate.path;
    const std::size_t dot = whole.rfind('.');
    const std::string_view parent = dot == std::string_view::npos ? std::string_view{} : whole.substr(0, dot);
    if (parent == path) found.push_back(&candidate);
  }
  return found;
}

std::string camel_case(std::string_view snake_case) {
  std::string out;
  bool upper = false;
  for (const char c : snake_case) {
    if (c == '_') {
      upper = true;
      continue;
    }
    out += upper && c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    upper = false;
  }
  return out;
}

}  // namespace clawql::config
