#include <boost/describe/members.hpp>
#include <boost/mp11/algorithm.hpp>

#include "base/log.hpp"
#include "config/config.hpp"
#include "config/keys.hpp"

namespace clawql::config {
namespace {

// A JSON string is a YAML scalar too, whatever is in it.
std::string text(std::string_view value) {
  std::string out;
  base::append_json_string(out, value);
  return out;
}

std::string list(const std::vector<std::string>& values) {
  std::string out = "[";
  for (const auto& value : values) out += (out.size() == 1 ? "" : ", ") + text(value);
  return out + "]";
}

std::string_view boolean(bool value) {
  return value ? "true" : "false";
}

std::string octal(std::uint32_t mode) {
  std::string out = "\"";
  for (int shift = 9; shift >= 0; shift -= 3) out += static_cast<char>('0' + ((mode >> shift) & 7U));
  return out + "\"";
}

void show_listeners(std::string& out, const Config& config) {
  out += "listen:\n";
  const UnixListener& socket = config.unix_listener;
  if (socket.enabled)
    out += "  unix: { path: " + text(socket.path) + ", mode: " + octal(socket.mode) + ", group: " + text(socket.group) +
           " }\n";
  else
    out += "  unix: false\n";
  if (config.http.empty()) out += "  http: false\n";
  if (!config.http.empty()) out += "  http:\n";
  for (const HttpListener& http : config.http)
    out += "    - { bind: " + http.bind + ", port: " + std::to_string(http.port) + " }\n";
  if (!config.admin.enabled)
    out += "admin: false\n";
  else if (!config.admin.path.empty())
    out += "admin: { path: " + text(config.admin.path) + " }\n";
}

void show_sandbox(std::string& out, const Sandbox& sandbox) {
  out += "    sandbox: { listen: " + std::string(boolean(sandbox.listen)) +
         ", unix: " + std::string(boolean(sandbox.unix_sockets));
  if (!sandbox.files_read.empty() || !sandbox.files_write.empty()) {
    out += ", files: {";
    if (!sandbox.files_read.empty()) out += " read: " + list(sandbox.files_read);
    if (!sandbox.files_read.empty() && !sandbox.files_write.empty()) out += ",";
    if (!sandbox.files_write.empty()) out += " write: " + list(sandbox.files_write);
    out += " }";
  }
  out += " }\n";
}

void show_server(std::string& out, const Server& server) {
  out += "  " + text(server.name) + ":\n    command: " + text(server.command) + "\n";
  out += "    args: " + list(server.args_as_written) + "\n";
  out += "    env: {";
  for (const auto& [name, value] : server.environment)
    out += (out.ends_with('{') ? " " : ", ") + text(name) + ": \"***\"";
  out += out.ends_with('{') ? "}\n" : " }\n";
  if (!server.working_directory.empty()) out += "    cwd: " + text(server.working_directory) + "\n";
  if (server.tools) out += "    tools: " + list(*server.tools) + "\n";
  const std::string prefix = server.prefix.empty() ? "" : server.prefix.substr(0, server.prefix.size() - 2);
  out += "    prefix: " + text(prefix) + "\n";
  out += std::string("    start: ") + (server.eager ? "eager" : "lazy") + "\n";
  if (server.isolation != Isolation::shared) {
    out += "    isolation: " + std::string(name(server.isolation)) + "\n";
    out += "    maxInstances: " + std::to_string(server.max_instances) + "\n";
    out += "    instanceIdleSeconds: " + std::to_string(server.instance_idle_seconds) + "\n";
  }
  if (server.disabled) out += "    disabled: true\n";
  if (server.call_seconds != 0) out += "    timeout: " + std::to_string(server.call_seconds) + "\n";
  if (!server.user.empty()) out += "    user: " + text(server.user) + "\n";
  show_sandbox(out, server.sandbox);
}

std::string_view word(Exposure::OnDrift on_drift) {
  switch (on_drift) {
    case Exposure::OnDrift::alert: return "alert";
    case Exposure::OnDrift::unready: return "unready";
    case Exposure::OnDrift::stop: return "stop";
  }
  return "";
}

void show_exposure(std::string& out, const Exposure& exposure) {
  out += "exposure: { interval: " + std::to_string(exposure.interval_seconds) +
         ", onDrift: " + std::string(word(exposure.on_drift));
  if (!exposure.report.empty())
    out += ", report: " + text(exposure.report) + ", maxAge: " + std::to_string(exposure.max_age_seconds);
  out += " }\n";
}

}  // namespace

std::string show(const Config& config) {
  std::string out =
      "# " + (config.path.empty() ? "built-in defaults: no file" : "effective configuration of " + config.path) + "\n";
  show_listeners(out, config);
  out += "allowedHosts: " + list(config.allowed_hosts) + "\n";
  if (config.allowed_origins) out += "allowedOrigins: " + list(*config.allowed_origins) + "\n";
  out += config.servers.empty() ? "mcpServers: {}\n" : "mcpServers:\n";
  for (const Server& server : config.servers) show_server(out, server);
  out += "audit: { durability: " + std::string(config.audit.strict ? "strict" : "written") +
         ", path: " + text(config.audit.path) + ", fileBytes: " + std::to_string(config.audit.file_bytes) +
         ", files: " + std::to_string(config.audit.files) + " }\n";
  show_exposure(out, config.exposure);
  out += "threads: { door: " + std::to_string(config.threads.door) +
         ", engine: " + std::to_string(config.threads.engine) + " }\n";
  if (!config.user.empty()) out += "user: " + text(config.user) + "\n";
  out += "requireSandbox: " + std::string(boolean(config.require_sandbox)) + "\nlimits:\n";
  boost::mp11::mp_for_each<boost::describe::describe_members<base::Limits, boost::describe::mod_public>>(
      [&](auto member) {
        out += "  " + camel_case(member.name) + ": " + std::to_string(config.limits.*member.pointer) + "\n";
      });
  return out;
}

}  // namespace clawql::config
