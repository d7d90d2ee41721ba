#include <boost/describe/members.hpp>
#include <boost/mp11/algorithm.hpp>
#include <set>

#include "config/check.hpp"
#include "config/keys.hpp"
#include "config/names.hpp"
#include "config/reader.hpp"

namespace clawql::config {
namespace {

using yaml::Node;

void read_unix(const Node* node, UnixListener& listener, const Reading& reading) {
  if (is_false(node)) {
    listener.enabled = false;
    return;
  }
  if (const Node* path = scalar(node, "path"))
    if (auto value = reading.take(path->mark, "path", parse_socket_path(text_of(*path)))) listener.path = *value;
  if (const Node* mode = scalar(node, "mode")) {
    if (mode->plain)
      reading.problems.add(mode->mark,
                           "`mode` stands in quotes: write \"0660\" (without them YAML readers take it for "
                           "one number or another)");
    else if (auto value = reading.take(mode->mark, "mode", parse_socket_mode(mode->text)))
      listener.mode = *value;
  }
  if (const Node* group = scalar(node, "group"))
    if (reading.holds(group->mark, "group", check_account(text_of(*group)))) listener.group = group->text;
}

void read_http_listener(const Node& node, std::vector<HttpListener>& listeners, const Reading& reading) {
  HttpListener listener;
  if (const Node* bind = scalar(&node, "bind"))
    if (reading.holds(bind->mark, "bind", check_bind(text_of(*bind)))) listener.bind = "loopback";
  Mark mark = node.mark;
  if (const Node* port = scalar(&node, "port")) {
    mark = port->mark;
    const auto value = integer(&node, "port");
    if (value && *value > 0 && *value <= 65535) listener.port = static_cast<std::uint16_t>(*value);
  }
  for (const HttpListener& other : listeners)
    if (other.port == listener.port)
      reading.problems.add(mark,
                           "port " + std::to_string(listener.port) + " is declared twice: give each listener its own");
  listeners.push_back(std::move(listener));
}

void read_listen(const Node* listen, Config& config, const Reading& reading) {
  if (listen == nullptr) return;
  read_unix(listen->find("unix"), config.unix_listener, reading);
  const Node* http = listen->find("http");
  if (http == nullptr) return;
  if (http->kind == Node::Kind::mapping) {
    config.http.clear();
    read_http_listener(*http, config.http, reading);
  } else if (http->kind == Node::Kind::sequence) {
    config.http.clear();
    for (const auto& item : http->items) read_http_listener(item, config.http, reading);
  } else if (is_false(http)) {
    config.http.clear();
  }
}

void read_admin(const Node* admin, Config& config, const Reading& reading) {
  if (is_false(admin)) config.admin.enabled = false;
  if (const Node* path = scalar(admin, "path"))
    if (auto value = reading.take(path->mark, "path", parse_socket_path(text_of(*path)))) config.admin.path = *value;
  if (config.unix_listener.enabled && config.admin.path == config.unix_listener.path)
    reading.problems.add(admin->find("path")->mark, "the admin socket is not the clients' socket: choose another path");
}

void read_allowed(const Node& root, Config& config, const Reading& reading) {
  for (const Node* host : scalars(root.find("allowedHosts")))
    if (auto value = reading.take(host->mark, "allowedHosts", parse_allowed_host(text_of(*host))))
      config.allowed_hosts.push_back(*value);
  const Node* origins = root.find("allowedOrigins");
  if (origins == nullptr) return;
  config.allowed_origins.emplace();
  for (const Node* origin : scalars(origins))
    if (auto value = reading.take(origin->mark, "allowedOrigins", parse_allowed_origin(text_of(*origin))))
      config.allowed_origins->push_back(*value);
}

void read_audit(const Node* audit, Config& config, const Reading& reading) {
  if (const Node* durability = scalar(audit, "durability")) config.audit.strict = durability->text == "strict";
  if (const Node* path = scalar(audit, "path"))
    if (reading.holds(path->mark, "path", check_absolute_path(text_of(*path)))) config.audit.path = path->text;
  if (const auto bytes = integer(audit, "fileBytes")) config.audit.file_bytes = *bytes;
  if (const auto files = integer(audit, "files")) config.audit.files = static_cast<std::uint32_t>(*files);
}

void read_exposure(const Node* exposure, Config& config, const Reading& reading) {
  Exposure& to = config.exposure;
  if (const auto seconds = integer(exposure, "interval")) to.interval_seconds = *seconds;
  if (const auto seconds = integer(exposure, "maxAge")) to.max_age_seconds = *seconds;
  if (const Node* word = scalar(exposure, "onDrift")) {
    if (word->text == "unready") to.on_drift = Exposure::OnDrift::unready;
    if (word->text == "stop") to.on_drift = Exposure::OnDrift::stop;
  }
  if (const Node* report = scalar(exposure, "report"))
    if (reading.holds(report->mark, "report", check_absolute_path(text_of(*report)))) to.report = report->text;
}

void read_threads(const Node* threads, Config& config) {
  if (const auto door = integer(threads, "door")) config.threads.door = static_cast<std::uint32_t>(*door);
  if (const auto engine = integer(threads, "engine")) config.threads.engine = static_cast<std::uint32_t>(*engine);
}

// A limit of a part that is greater than that of the whole would never hold.
struct Order {
  std::string_view part;
  std::uint64_t part_value;
  std::string_view whole;
  std::uint64_t whole_value;
};

void read_limits(const Node* limits, Config& config, const Reading& reading) {
  if (limits == nullptr) return;
  base::Limits& to = config.limits;
  boost::mp11::mp_for_each<boost::describe::describe_members<base::Limits, boost::describe::mod_public>>(
      [&](auto member) {
        if (const auto value = integer(limits, camel_case(member.name))) to.*member.pointer = *value;
      });
  const Order orders[] = {
      {"inFlightSession", to.in_flight_session, "inFlightPeer", to.in_flight_peer},
      {"inFlightPeer", to.in_flight_peer, "inFlight", to.in_flight},
      {"connectionsPerPeer", to.connections_per_peer, "connections", to.connections},
      {"bufferedBytesSession", to.buffered_bytes_session, "bufferedBytes", to.buffered_bytes},
      {"serverMessage", to.server_message, "bufferedBytesSession", to.buffered_bytes_session},
  };
  for (const Order& order : orders) {
    if (order.part_value <= order.whole_value) continue;
    const Node* node = limits->find(order.part);
    if (node == nullptr) node = limits->find(order.whole);
    if (node == nullptr) continue;
    reading.problems.add(node->mark, "`" + std::string(order.part) + "` (" + std::to_string(order.part_value) +
                                         ") is greater than `" + std::string(order.whole) + "` (" +
                                         std::to_string(order.whole_value) + "): raise the one or lower the other");
  }
}

void read_root(const Node& root, Config& config, const Reading& reading) {
  read_listen(root.find("listen"), config, reading);
  read_admin(root.find("admin"), config, reading);
  read_allowed(root, config, reading);
  read_audit(root.find("audit"), config, reading);
  read_exposure(root.find("exposure"), config, reading);
  read_threads(root.find("threads"), config);
  read_limits(root.find("limits"), config, reading);
  if (const Node* user = scalar(&root, "user"))
    if (reading.holds(user->mark, "user", check_account(text_of(*user)))) config.user = user->text;
  if (const auto required = boolean(&root, "requireSandbox")) config.require_sandbox = *required;
  config.servers = read_servers(root.find("mcpServers"), reading);
}

// What is lawful and yet worth a word, once all is known.
void add_findings(const Node& root, Config& config, const Reading& reading) {
  const Node* servers = root.find("mcpServers");
  for (const Server& server : config.servers) {
    const Node* sandbox = servers->find(server.name)->find("sandbox");
    const bool shares_user = server.user.empty() || server.user == config.user;
    if (server.sandbox.unix_sockets && shares_user)
      reading.notice(sandbox->find("unix")->mark, "server.can-reach-admin",
                     "server " + quote(server.name) +
                         " may use Unix sockets as the gateway's own user, so it can reach "
                         "the admin socket: give it a `user` of its own");
    if (server.sandbox.listen)
      reading.notice(sandbox->find("listen")->mark, "server.can-listen",
                     "server " + quote(server.name) + " may open listening ports");
  }
  if (!config.unix_listener.enabled && config.http.empty())
    reading.problems.add(root.find("listen")->mark, "both doors are `false`: nobody could reach the gateway");
}

}  // namespace

Config defaults(const Places& places) {
  Config config;
  config.unix_listener.path = places.runtime_folder + "/gateway.sock";
  config.http.emplace_back();
  config.audit.path = places.audit_file;
  return config;
}

namespace {

// Whatever can be read, with everything that is wrong in `problems`.
Config read_all(std::string_view text, std::string_view path, const Places& places, const Environment& environment,
                const ReadFile& read_file, Problems& problems) {
  Config config = defaults(places);
  config.path = path;
  const auto root = yaml::parse(text, problems);
  if (!root || root->is_null()) return config;
  check_against_table(*root, problems, config.notices);
  const auto slash = path.rfind('/');
  const Reading reading{problems, config.notices, environment, read_file,
                        slash == std::string_view::npos ? "." : std::string(path.substr(0, slash))};
  read_root(*root, config, reading);
  if (!problems.any()) add_findings(*root, config, reading);
  return config;
}

}  // namespace

Result<Config> parse_with(std::string_view text, std::string_view path, const Places& places,
                          const Environment& environment, const ReadFile& read_file) {
  Problems problems(path);
  Config config = read_all(text, path, places, environment, read_file, problems);
  if (problems.any()) return fail(problems.text());
  return config;
}

FoundPlaces places_in(std::string_view text, const Places& places) {
  Problems ignored("");
  const ReadFile no_files = [](const std::string& path) -> Result<std::string> { return fail(path); };
  const Config config = read_all(text, "", places, {}, no_files, ignored);
  return {config.unix_listener, config.admin, config.audit.path};
}

}  // namespace clawql::config
