#include "doctor_checks.hpp"

#include <grp.h>
#include <unistd.h>

#include <algorithm>
#include <map>

#include "audit_file.hpp"
#include "config/expand.hpp"
#include "config/names.hpp"
#include "mcp_client.hpp"
#include "os/users.hpp"

namespace clawql::cli {
namespace {

constexpr std::size_t kNameThatClientsTake = 60;

// Severity of what the configuration reader noticed.
std::string severity_of(const std::string& notice) {
  if (notice == "config.no-effect") return "info";
  return notice == "server.can-reach-admin" ? "high" : "medium";
}

// Unless it is known: the gateway and the command line read the same file.
void add_new(Examination& examined, Finding finding) {
  const auto same = [&](const Finding& known) { return known.id == finding.id && known.text == finding.text; };
  if (std::ranges::none_of(examined.findings, same)) examined.findings.push_back(std::move(finding));
}

// The operator's shell need not hold the keys that the gateway was started with.
bool only_lacks_environment(std::string_view problems) {
  if (problems.empty()) return false;
  while (!problems.empty()) {
    const auto end = problems.find('\n');
    if (problems.substr(0, end).find(config::kNotInEnvironment) == std::string_view::npos) return false;
    problems.remove_prefix(end == std::string_view::npos ? problems.size() : end + 1);
  }
  return true;
}

bool in_session_groups(gid_t group) {
  std::vector<gid_t> groups(static_cast<std::size_t>(std::max(0, getgroups(0, nullptr))));
  const int count = getgroups(static_cast<int>(groups.size()), groups.data());
  groups.resize(static_cast<std::size_t>(std::max(0, count)));
  return group == getegid() || std::ranges::find(groups, group) != groups.end();
}

void check_processes(const json::Value& supervisor, Examination& examined) {
  // The gateway reports missing layers itself; an older one does not.
  const bool reported =
      std::ranges::find(examined.findings, "sandbox.layer-missing", &Finding::id) != examined.findings.end();
  for (const json::Value process : supervisor.find("processes").elements()) {
    const std::string name = text_at(process, "name");
    bool whole = true;
    for (const json::Value layer : process.find("layers").elements()) {
      if (layer.find("in_force").boolean().value_or(false)) continue;
      whole = false;
      if (reported) continue;
      examined.findings.push_back({"sandbox.layer-missing", "medium",
                                   name + " runs without " + text_at(layer, "name") + ": " + text_at(layer, "detail"),
                                   "a newer kernel (5.13 or later, with Landlock and seccomp) has it"});
    }
    if (whole && process.find("layers").size() > 0) examined.well.push_back("every layer holds for " + name);
  }
}

void check_servers(const json::Value& engine, Examination& examined) {
  for (const json::Value server : engine.find("servers").elements()) {
    const std::string name = text_at(server, "name");
    const std::string state = text_at(server, "state");
    if (state == "ready") {
      examined.well.push_back("server " + name + " answers, " + number_at(server, "tools") + " tools");
    } else if (state == "failed") {
      std::string text = "server " + name + " does not start: " + text_at(server, "reason");
      for (const json::Value line : server.find("last_stderr").elements()) text += " | " + line.string().value_or("");
      examined.findings.push_back({"server.failed", "medium", std::move(text), "`clawql status` shows its last lines"});
    }
  }
}

}  // namespace

void check_configuration(const Setup& setup, const std::string& requested, Examination& examined) {
  const std::string file = requested.empty() ? setup.places.config_file : requested;
  if (only_lacks_environment(setup.config_error)) {
    examined.findings.push_back({"config.environment", "info",
                                 "names that the file refers to are not set in this shell: " + setup.config_error,
                                 "clawql-api needs them at its start; here they mean nothing"});
    return;
  }
  if (!setup.config_error.empty()) {
    examined.findings.push_back({"config.invalid", "high", setup.config_error, "clawql config check " + file});
    return;
  }
  examined.well.push_back("configuration: " + (setup.config.path.empty()
                                                   ? "built-in defaults (there is no " + file + ")"
                                                   : setup.config.path));
  for (const auto& notice : setup.config.notices)
    examined.findings.push_back({notice.id, severity_of(notice.id), notice.where + ": " + notice.text, ""});
}

void check_group(const Setup& setup, Examination& examined) {
  if (!setup.config.unix_listener.enabled) return;
  const std::string& name = setup.config.unix_listener.group;
  const auto group = os::find_group(name);
  if (!group) {
    examined.findings.push_back({"socket.group-missing", "low",
                                 "there is no group " + name + ", so only the gateway's own user can use its socket",
                                 "groupadd -r " + name});
    return;
  }
  if (geteuid() == 0 || in_session_groups(*group)) {
    examined.well.push_back("this user may use the socket by group " + name);
    return;
  }
  const os::User user = os::current_user();
  const bool listed = std::ranges::find(user.identity.groups, *group) != user.identity.groups.end();
  examined.findings.push_back(
      {"socket.not-in-group", "low",
       "user " + user.name + " is not in group " + name + (listed ? " in this session" : ""),
       listed ? "log out and in again" : "usermod -aG " + name + " " + user.name + ", then log out and in again"});
}

void check_socket(const Setup& setup, const std::string& requested, Examination& examined) {
  auto client = McpClient::open(gateway_sockets(setup, requested));
  if (!client) {
    examined.findings.push_back({"socket.unreachable", "high", client.error().message, "start clawql-api"});
    return;
  }
  examined.well.push_back("the gateway answers on its Unix socket");
  const auto tools = client->tools();
  if (!tools) {
    examined.unknown.push_back("names of tools: " + tools.error().message);
    return;
  }
  for (const auto& tool : *tools) {
    const auto document = json::Document::parse(tool, {.bytes = 32U << 20, .depth = 128});
    const std::string name = document ? text_at(document->root(), "name") : "";
    if (name.size() > kNameThatClientsTake)
      examined.findings.push_back({"tool.name-too-long", "low",
                                   "tool " + name + " has " + std::to_string(name.size()) +
                                       " characters; some clients take no more than " +
                                       std::to_string(kNameThatClientsTake),
                                   "give its server a shorter `prefix`"});
  }
}

void check_status(const json::Value& status, Examination& examined) {
  const json::Value supervisor = status.find("supervisor");
  const json::Value engine = status.find("engine");
  for (const json::Value finding : supervisor.find("findings").elements())
    add_new(examined, {.id = text_at(finding, "id"),
                       .severity = text_at(finding, "severity"),
                       .text = text_at(finding, "text"),
                       .remedy = text_at(finding, "remedy")});
  for (const json::Value warning : supervisor.find("warnings").elements()) {
    // A notice of the file is among the warnings too; the findings have it with its id.
    const std::string text = warning.string().value_or("");
    const auto known = [&](const Finding& finding) { return finding.text == text; };
    if (std::ranges::none_of(examined.findings, known))
      examined.findings.push_back({"gateway.warning", "low", text, ""});
  }
  check_processes(supervisor, examined);
  check_servers(engine, examined);
  for (const json::Value item : engine.find("hidden").elements())
    examined.findings.push_back(
        {"tool.hidden", "low",
         text_at(item, "item") + " of server " + text_at(item, "owner") + " is hidden by " + text_at(item, "hidden_by"),
         "give one of the servers another `prefix`"});
}

void check_refused_hosts(const Setup& setup, Examination& examined) {
  const auto lines = last_lines(setup.config.audit.path, 5000);
  if (!lines) {
    if (lines.error().system_errno != ENOENT)
      examined.unknown.push_back("hosts refused lately: " + lines.error().message);
    return;
  }
  std::map<std::string, std::uint64_t> refused;
  for (const auto& line : *lines) {
    if (line.find("guard.host") == std::string::npos) continue;
    const auto document = json::Document::parse(line, {.bytes = 1U << 20, .depth = 32});
    if (!document) continue;
    const json::Value root = document->root();
    if (text_at(root, "reason") != "guard.host" && text_at(root.find("event"), "subtype") != "guard.host") continue;
    std::string host = text_at(root, "detail");
    const auto colon = host.rfind(':');
    if (colon != std::string::npos && host.find_first_not_of("0123456789", colon + 1) == std::string::npos)
      host.resize(colon);
    refused[host] += root.find("count").uint64().value_or(1);
  }
  const std::string file = setup.config.path.empty() ? setup.places.config_file : setup.config.path;
  for (const auto& [host, count] : refused) {
    const auto lawful = config::parse_allowed_host(host);
    if (lawful && std::ranges::find(setup.config.allowed_hosts, *lawful) != setup.config.allowed_hosts.end()) continue;
    examined.findings.push_back(
        {"guard.host-refused", "info",
         "host " + host + " was refused " + std::to_string(count) + (count == 1 ? " time" : " times"),
         lawful ? "only if it is yours: allowedHosts: [\"" + *lawful + "\"] in " + file : "no line would allow it"});
  }
}

}  // namespace clawql::cli
