// `clawql connect CLIENT`: one entry in the client's own file, so that it reaches its servers through the gateway.
#include <CLI/CLI.hpp>
#include <memory>

#include "commands.hpp"
#include "config/client_file.hpp"
#include "files.hpp"
#include "import.hpp"
#include "json/writer.hpp"
#include "os/users.hpp"
#include "output.hpp"

namespace clawql::cli {
namespace {

struct Options {
  std::string client;
  std::string file;    // of the client
  std::string config;  // of the gateway
  bool import = false;
};

// Servers of the client that are not behind the gateway yet.
std::size_t other_servers(const std::string& text, const std::string& path) {
  const auto servers = config::client_servers(text, path);
  std::size_t count = 0;
  if (servers)
    for (const auto& server : *servers) count += server.is_clawql ? 0 : 1;
  return count;
}

Result<std::string> moved_behind_the_gateway(const std::string& text, const std::string& path, const Options& options,
                                             int& exit_status) {
  CLAWQL_TRY(const Setup setup, set_up(options.config));
  CLAWQL_TRY(
      const ImportReport report,
      import_servers(text, path, options.config.empty() ? setup.places.config_file : options.config, setup.places));
  print(text_of(report));
  if (!report.refused.empty()) exit_status = kFindings;
  return config::without_client_entries(text, path, report.taken);
}

Status connect(const config::Client& client, const Options& options, int& exit_status) {
  const std::string path =
      options.file.empty() ? os::current_user().home + "/" + std::string(client.file) : options.file;
  CLAWQL_TRY(const auto old_text, read_file_if_there(path));
  std::string text = old_text.value_or("");
  if (options.import && other_servers(text, path) > 0) {
    CLAWQL_TRY(text, moved_behind_the_gateway(text, path, options, exit_status));
  }
  CLAWQL_TRY(const std::string self, own_program("bin/clawql"));
  const std::string entry = "{ \"command\": " + json::quoted(self) + ", \"args\": [\"stdio\"] }";
  CLAWQL_TRY(const std::string new_text, config::with_client_entry(text, path, client.servers_key, "clawql", entry));
  if (old_text && new_text == *old_text) {
    print(std::string(client.title) + " is connected already: " + path + "\n");
  } else {
    CLAWQL_TRY(const std::string backup, replace_file(path, new_text));
    print("wrote the server `clawql` to " + path + (backup.empty() ? "" : " (the old file is " + backup + ")") +
          "; restart " + std::string(client.title) + "\n");
  }
  const std::size_t others = other_servers(new_text, path);
  if (others > 0 && !options.import)
    print(std::to_string(others) + " other server" + (others == 1 ? " is" : "s are") +
          " still started by the client itself: `clawql connect " + options.client +
          (options.file.empty() ? "" : " --file " + options.file) + " --import` moves " +
          (others == 1 ? "it" : "them") + " behind the gateway\n");
  return {};
}

int run(const Options& options) {
  const config::Client* client = config::find_client(options.client);
  if (client == nullptr) {
    std::string known;
    for (const auto& one : config::known_clients()) known += (known.empty() ? "" : ", ") + std::string(one.name);
    complain("unknown client; known are " + known);
    return kCouldNotTell;
  }
  int exit_status = kAsDeclared;
  const Status status = connect(*client, options, exit_status);
  if (status) return exit_status;
  complain(status.error().message);
  return kCouldNotTell;
}

}  // namespace

void add_connect(CLI::App& program, int& exit_status) {
  auto* command = program.add_subcommand("connect", "Let an MCP client reach its servers through the gateway");
  auto options = std::make_shared<Options>();
  command->add_option("CLIENT", options->client, "claude-desktop, claude-code, cursor or vscode")->required();
  command->add_option("--file", options->file, "The client's file, where it is not in its usual place");
  command->add_option("--config", options->config, "The gateway's configuration file, for --import");
  command->add_flag("--import", options->import, "Move the client's other servers behind the gateway");
  command->callback([options, &exit_status] { exit_status = run(*options); });
}

}  // namespace clawql::cli
