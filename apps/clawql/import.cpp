// `clawql config import FILE|CLIENT`
#include "import.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>

#include "commands.hpp"
#include "config/client_file.hpp"
#include "config/edit.hpp"
#include "files.hpp"
#include "json/writer.hpp"
#include "os/users.hpp"
#include "output.hpp"

namespace clawql::cli {
namespace {

// The messages of a file that nobody sees, without its places.
std::string without_places(std::string_view message, std::string_view path) {
  std::string out;
  while (!message.empty()) {
    const auto end = message.find('\n');
    std::string_view line = message.substr(0, end);
    message.remove_prefix(end == std::string_view::npos ? message.size() : end + 1);
    if (line.starts_with(path)) {
      line.remove_prefix(path.size());
      const auto text = line.find(": ");
      if (text != std::string_view::npos) line.remove_prefix(text + 2);
    }
    if (!out.empty()) out += "; ";
    out += line;
  }
  return out;
}

class Import {
 public:
  Import(const std::string& client_path, const config::Places& places, const config::Config& now)
      : client_path_(client_path), places_(places) {
    for (const auto& server : now.servers) existing_.push_back(server);
  }

  void take(const config::ClientServer& server, ImportReport& report) {
    const std::string shown = printable(server.name, 64);
    if (server.is_clawql) return;
    for (const auto& note : server.notes) report.notes.push_back(std::string(shown).append(": ").append(note));
    if (!server.refused.empty()) return report.refused.push_back(shown + ": " + server.refused);
    std::string name = config::lawful_server_name(server.name);
    auto parsed = alone(name, server.entry);
    if (!parsed) return report.refused.push_back(shown + ": " + without_places(parsed.error().message, client_path_));
    const auto present = std::ranges::find(existing_, name, &config::Server::name);
    if (present != existing_.end() && present->fingerprint == parsed->servers[0].fingerprint) {
      report.present.push_back(name);
      if (parsed->notices.empty() || parsed->notices[0].id != "server.needs-unix") report.taken.push_back(server.name);
      return;
    }
    name = free_name(name);
    bool starts = true;
    for (const auto& notice : parsed->notices) {
      report.notes.push_back(shown + ": " + notice.text);
      starts = starts && notice.id != "server.needs-unix";
    }
    parsed->servers[0].name = name;
    existing_.push_back(parsed->servers[0]);
    added_.push_back({name, server.entry});
    report.added.push_back(name == server.name ? name : shown + " as " + name);
    if (starts) report.taken.push_back(server.name);
  }

  const std::vector<config::NewServer>& added() const { return added_; }

 private:
  // The entry as the only one of a file, in the client's folder.
  Result<config::Config> alone(const std::string& name, const std::string& entry) const {
    return config::parse("mcpServers: { \"" + name + "\": " + entry + " }", client_path_, places_, environment());
  }

  std::string free_name(const std::string& name) const {
    std::string candidate = name;
    for (int number = 2; std::ranges::find(existing_, candidate, &config::Server::name) != existing_.end(); ++number)
      candidate = name.substr(0, 28) + "-" + std::to_string(number);
    return candidate;
  }

  const std::string& client_path_;
  const config::Places& places_;
  std::vector<config::Server> existing_;
  std::vector<config::NewServer> added_;
};

std::string lines(std::string_view title, const std::vector<std::string>& items) {
  if (items.empty()) return "";
  std::string out = std::string(title) + "\n";
  for (const auto& item : items) out += "  " + item + "\n";
  return out;
}

std::string array(const std::vector<std::string>& items) {
  std::string out = "[";
  for (const auto& item : items) out += (out.size() == 1 ? "" : ",") + json::quoted(item);
  return out + "]";
}

int run(const std::string& from, const std::string& config_file, bool as_json) {
  const auto setup = set_up(config_file);
  if (!setup) {
    complain(setup.error().message);
    return kCouldNotTell;
  }
  const config::Client* client = config::find_client(from);
  const std::string path = client == nullptr ? from : os::current_user().home + "/" + std::string(client->file);
  const auto text = read_file(path);
  if (!text) {
    complain(text.error().message);
    return kCouldNotTell;
  }
  const auto report =
      import_servers(*text, path, config_file.empty() ? setup->places.config_file : config_file, setup->places);
  if (!report) {
    complain(report.error().message);
    return kCouldNotTell;
  }
  print(as_json ? json_of(*report) : text_of(*report));
  return report->refused.empty() ? kAsDeclared : kFindings;
}

}  // namespace

Result<ImportReport> import_servers(const std::string& client_text, const std::string& client_path,
                                    const std::string& config_file, const config::Places& places) {
  CLAWQL_TRY(const auto servers, config::client_servers(client_text, client_path));
  CLAWQL_TRY(const auto old_text, read_file_if_there(config_file));
  config::Config now = config::defaults(places);
  if (old_text) {
    CLAWQL_TRY(now, config::load(config_file, places, environment()));
  }
  ImportReport report;
  report.config_file = config_file;
  Import import(client_path, places, now);
  for (const auto& server : servers) import.take(server, report);
  if (import.added().empty()) return report;
  CLAWQL_TRY(const std::string new_text, config::with_servers(old_text.value_or(""), config_file, import.added()));
  // The whole as the gateway will read it: entries that are lawful alone can still collide.
  CLAWQL_TRY([[maybe_unused]] const config::Config whole, config::parse(new_text, config_file, places, environment()));
  CLAWQL_TRY(report.backup, replace_file(config_file, new_text));
  return report;
}

std::string text_of(const ImportReport& report) {
  std::string out = lines("added to " + report.config_file + ":", report.added);
  out += lines("there already:", report.present);
  out += lines("not taken over:", report.refused);
  out += lines("notes:", report.notes);
  if (!report.backup.empty()) out += "the old file is " + report.backup + "\n";
  if (!report.added.empty()) out += "`clawql reload` makes a running gateway read it\n";
  if (out.empty()) out = "no servers to take over\n";
  return out;
}

std::string json_of(const ImportReport& report) {
  return "{\"configFile\":" + json::quoted(report.config_file) + ",\"backup\":" + json::quoted(report.backup) +
         ",\"added\":" + array(report.added) + ",\"present\":" + array(report.present) +
         ",\"refused\":" + array(report.refused) + ",\"notes\":" + array(report.notes) + "}\n";
}

void add_import(CLI::App& config, int& exit_status) {
  auto* command = config.add_subcommand("import", "Take a client's servers over into the gateway's configuration");
  auto from = std::make_shared<std::string>();
  auto file = std::make_shared<std::string>();
  auto as_json = std::make_shared<bool>(false);
  command->add_option("FROM", *from, "claude-desktop, claude-code, cursor, vscode, or a file of theirs")->required();
  command->add_option("--config", *file, "The gateway's configuration file");
  command->add_flag("--json", *as_json, "As JSON");
  command->callback([=, &exit_status] { exit_status = run(*from, *file, *as_json); });
}

}  // namespace clawql::cli
