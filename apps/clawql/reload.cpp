// `clawql reload`: the gateway checks its file anew; a bad one changes nothing.
#include <CLI/CLI.hpp>
#include <memory>

#include "admin_client.hpp"
#include "commands.hpp"
#include "json/document.hpp"
#include "output.hpp"
#include "setup.hpp"

namespace clawql::cli {
namespace {

// The text that the answer carries, whichever member it stands in; else the answer itself.
std::string message_of(const std::string& body) {
  const auto document = json::Document::parse(body, {.bytes = 16U << 20, .depth = 64});
  if (!document) return body;
  const json::Value root = document->root();
  for (const json::Value place : {root, root.find("supervisor"), root.find("error")})
    for (const std::string_view key : {"text", "message", "error"})
      if (const auto text = place.find(key).string()) return *text;
  return body;
}

std::string generation_of(const std::string& body) {
  const auto document = json::Document::parse(body, {.bytes = 16U << 20, .depth = 64});
  const auto generation = document ? document->root().find("generation").uint64() : std::nullopt;
  return generation ? ": generation " + std::to_string(*generation) : "";
}

int run(const std::string& config_file, const std::string& socket, bool as_json) {
  const auto setup = set_up(config_file);
  if (!setup) {
    complain(setup.error().message);
    return kCouldNotTell;
  }
  const auto answer = ask_admin(admin_sockets(*setup, socket), "POST", "/admin/reload");
  if (!answer) {
    complain(answer.error().message);
    return kCouldNotTell;
  }
  const bool done = answer->status >= 200 && answer->status < 300;
  if (as_json) {
    print(answer->body + "\n");
  } else if (done) {
    print("reloaded" + generation_of(answer->body) + "\n");
  } else {
    print("not reloaded, nothing changed:\n");
    const std::string text = message_of(answer->body);
    for (std::string_view rest = text; !rest.empty();) {
      const auto end = rest.find('\n');
      print("  " + printable(rest.substr(0, end), 2000) + "\n");
      rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    }
  }
  return done ? kAsDeclared : kFindings;
}

}  // namespace

void add_reload(CLI::App& program, int& exit_status) {
  auto* command = program.add_subcommand("reload", "Let the gateway read its configuration file again");
  auto config = std::make_shared<std::string>();
  auto socket = std::make_shared<std::string>();
  auto as_json = std::make_shared<bool>(false);
  command->add_option("--config", *config, "The gateway's configuration file, to find its socket");
  command->add_option("--socket", *socket, "Its admin socket");
  command->add_flag("--json", *as_json, "As JSON");
  command->callback([=, &exit_status] { exit_status = run(*config, *socket, *as_json); });
}

}  // namespace clawql::cli
