// `clawql status`: what the gateway says of itself.
#include "status.hpp"

#include <CLI/CLI.hpp>
#include <memory>

#include "admin_client.hpp"
#include "commands.hpp"
#include "output.hpp"
#include "setup.hpp"

namespace clawql::cli {
namespace {

using json::Value;

std::string head_text(const Value& supervisor) {
  std::string out = "clawql " + printable(text_at(supervisor, "version")) + ", pid " + number_at(supervisor, "pid");
  if (const Value started = supervisor.find("started"))
    out += ", since " + printable(started.string().value_or(std::string(started.raw())));
  const std::string config = text_at(supervisor, "config");
  out += "\nconfiguration: " + (config.empty() ? "built-in defaults" : printable(config)) + " (generation " +
         number_at(supervisor, "generation") + ")\n";
  return out;
}

std::string listeners_text(const Value& supervisor) {
  std::vector<std::vector<std::string>> rows;
  for (const Value listener : supervisor.find("listeners").elements())
    rows.push_back({printable(text_at(listener, "kind")), printable(text_at(listener, "label"))});
  return rows.empty() ? "" : "listeners:\n" + table(rows);
}

std::string processes_text(const Value& supervisor) {
  std::vector<std::vector<std::string>> rows;
  for (const Value process : supervisor.find("processes").elements()) {
    std::size_t in_force = 0;
    for (const Value layer : process.find("layers").elements())
      in_force += layer.find("in_force").boolean().value_or(false) ? 1 : 0;
    rows.push_back({printable(text_at(process, "name")), "pid " + number_at(process, "pid"),
                    number_at(process, "restarts") + " restarts",
                    std::to_string(in_force) + "/" + std::to_string(process.find("layers").size()) + " layers"});
  }
  return rows.empty() ? "" : "programs:\n" + table(rows);
}

// What else there is to say of a server, below its line.
std::string server_details(const Value& server) {
  std::string out;
  const bool well = text_at(server, "state") == "ready";
  const std::string reason = text_at(server, "reason");
  if (!reason.empty()) out += "      " + printable(reason) + "\n";
  if (!well)
    for (const Value line : server.find("last_stderr").elements())
      out += "      | " + printable(line.string().value_or("")) + "\n";
  std::string not_offered;
  for (const Value feature : server.find("not_offered").elements())
    not_offered += (not_offered.empty() ? "" : ", ") + printable(feature.string().value_or(""));
  if (well && !not_offered.empty()) out += "      not offered to it: " + not_offered + "\n";
  return out;
}

// The instances of a server that is not shared: how many processes there are, in which state, and how they serve those
// who have one (who has it idle has a stopped one).
std::string instances_text(const Value& server, const Value& of_engine) {
  const std::string isolation = text_at(server, "isolation");
  if (isolation.empty() || isolation == "shared") return "";
  std::string states, pids, served;
  for (const char* state : {"ready", "starting", "failed", "stopped"})
    if (of_engine.find(state).uint64().value_or(0) > 0)
      served += (served.empty() ? "; " : ", ") + number_at(of_engine, state) + " " + state;
  for (const char* state : {"running", "waiting", "stopping"})
    if (server.find(state).uint64().value_or(0) > 0)
      states += (states.empty() ? "" : ", ") + number_at(server, state) + " " + state;
  for (const Value instance : server.find("instances").elements())
    if (instance.find("pid").uint64().value_or(0) > 0)
      pids += (pids.empty() ? "; pid " : ", ") + number_at(instance, "pid");
  return "      an instance for each " + printable(isolation) + ", at most " + number_at(server, "max_instances") +
         ": " + (states.empty() ? "none" : states) + pids + served + "\n";
}

Value named(const Value& list, std::string_view name) {
  for (const Value one : list.elements())
    if (text_at(one, "name") == name) return one;
  return {};
}

std::string servers_text(const Value& engine, const Value& supervisor) {
  std::vector<std::vector<std::string>> rows;
  for (const Value server : engine.find("servers").elements())
    rows.push_back({printable(text_at(server, "name")), printable(text_at(server, "state")),
                    number_at(server, "tools") + " tools", number_at(server, "calls") + " calls",
                    number_at(server, "calls_in_flight") + " in flight"});
  const std::string lines = table(rows);
  std::string out = rows.empty() ? "" : "servers:\n";
  std::size_t at = 0;
  for (const Value server : engine.find("servers").elements()) {
    const auto end = lines.find('\n', at);
    out += lines.substr(at, end + 1 - at) + server_details(server);
    out += instances_text(named(supervisor.find("servers"), text_at(server, "name")), server.find("instances"));
    at = end + 1;
  }
  return out;
}

std::string rest_text(const Value& supervisor, const Value& engine) {
  std::string out =
      "sessions: " + number_at(engine, "sessions") + ", principals: " + number_at(engine, "principals") + "\n";
  for (const Value item : engine.find("hidden").elements())
    out += "hidden: " + printable(text_at(item, "item")) + " of " + printable(text_at(item, "owner")) + ", by " +
           printable(text_at(item, "hidden_by")) + "\n";
  for (const auto& refused : engine.find("refusals").members())
    if (refused.value.uint64().value_or(0) > 0)
      out +=
          "refused: " + std::string(refused.value.raw()) + " × " + printable(refused.key.string().value_or("")) + "\n";
  for (const Value warning : supervisor.find("warnings").elements())
    out += "warning: " + printable(warning.string().value_or(""), 800) + "\n";
  const std::size_t findings = supervisor.find("findings").size();
  if (findings > 0)
    out += std::to_string(findings) + (findings == 1 ? " finding" : " findings") + ": see `clawql doctor`\n";
  return out;
}

int run(const std::string& config_file, const std::string& socket, bool as_json) {
  const auto setup = set_up(config_file);
  if (!setup) {
    complain(setup.error().message);
    return kCouldNotTell;
  }
  const auto status = fetch_status(admin_sockets(*setup, socket));
  if (!status) {
    complain(status.error().message);
    return kCouldNotTell;
  }
  const auto document = json::Document::parse(*status, kStatusLimits);
  const Value supervisor = document->root().find("supervisor");
  const Value engine = document->root().find("engine");
  if (as_json)
    print(*status + "\n");
  else
    print(head_text(supervisor) + listeners_text(supervisor) + processes_text(supervisor) +
          servers_text(engine, supervisor) + rest_text(supervisor, engine));
  for (const Value server : engine.find("servers").elements())
    if (text_at(server, "state") == "failed") return kFindings;
  return kAsDeclared;
}

}  // namespace

Result<std::string> fetch_status(const std::vector<std::string>& sockets) {
  CLAWQL_TRY(AdminAnswer answer, ask_admin(sockets, "GET", "/admin/status"));
  if (answer.status != 200)
    return fail("the gateway answered " + std::to_string(answer.status) + ": " + printable(answer.body));
  const auto document = json::Document::parse(answer.body, kStatusLimits);
  if (!document || !document->root().is(json::Kind::object)) return fail("the gateway's status is no JSON object");
  return std::move(answer.body);
}

void add_status(CLI::App& program, int& exit_status) {
  auto* command = program.add_subcommand("status", "Listeners, programs, servers and sessions of the gateway");
  auto config = std::make_shared<std::string>();
  auto socket = std::make_shared<std::string>();
  auto as_json = std::make_shared<bool>(false);
  command->add_option("--config", *config, "The gateway's configuration file");
  command->add_option("--socket", *socket, "Its admin socket");
  command->add_flag("--json", *as_json, "As JSON");
  command->callback([=, &exit_status] { exit_status = run(*config, *socket, *as_json); });
}

}  // namespace clawql::cli
