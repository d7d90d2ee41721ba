// `clawql config check|show|schema|import`
#include "config/config.hpp"

#include <CLI/CLI.hpp>
#include <memory>

#include "commands.hpp"
#include "json/writer.hpp"
#include "output.hpp"
#include "setup.hpp"

namespace clawql::cli {
namespace {

std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const auto end = text.find('\n');
    lines.emplace_back(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return lines;
}

std::string check_json(const std::string& file, const std::vector<std::string>& errors,
                       const std::vector<config::Notice>& notices) {
  std::string out =
      "{\"file\":" + json::quoted(file) + ",\"ok\":" + (errors.empty() ? "true" : "false") + ",\"errors\":[";
  for (std::size_t i = 0; i < errors.size(); ++i) out += (i == 0 ? "" : ",") + json::quoted(errors[i]);
  out += "],\"notices\":[";
  for (std::size_t i = 0; i < notices.size(); ++i)
    out += std::string(i == 0 ? "" : ",") + "{\"where\":" + json::quoted(notices[i].where) +
           ",\"id\":" + json::quoted(notices[i].id) + ",\"text\":" + json::quoted(notices[i].text) + "}";
  return out + "]}\n";
}

int check(const std::string& file, bool as_json) {
  const auto places = config::places_of_caller();
  if (!places) {
    complain(places.error().message);
    return kCouldNotTell;
  }
  const auto loaded = config::load_effective(file, *places, environment());
  const std::string name = !file.empty() ? file : loaded && loaded->path.empty() ? "" : places->config_file;
  if (!loaded && loaded.error().system_errno != 0) {
    complain(loaded.error().message);
    return kCouldNotTell;
  }
  const std::vector<std::string> errors = loaded ? std::vector<std::string>{} : lines_of(loaded.error().message);
  const std::vector<config::Notice> notices = loaded ? loaded->notices : std::vector<config::Notice>{};
  if (as_json) {
    print(check_json(name, errors, notices));
  } else {
    for (const auto& error : errors) print(error + "\n");
    for (const auto& notice : notices) print(notice.where + ": note: " + notice.text + " [" + notice.id + "]\n");
    if (errors.empty()) print((name.empty() ? "no file: built-in defaults" : name) + ": ok\n");
  }
  return errors.empty() ? kAsDeclared : kFindings;
}

int show(const std::string& file) {
  const auto setup = set_up(file);
  if (!setup || !setup->config_error.empty()) {
    complain(setup ? setup->config_error : setup.error().message);
    return setup ? kFindings : kCouldNotTell;
  }
  print(config::show(setup->config));
  return kAsDeclared;
}

}  // namespace

void add_config(CLI::App& program, int& exit_status) {
  auto* command = program.add_subcommand("config", "Check, show, describe and extend the configuration");
  command->require_subcommand(1);

  auto file = std::make_shared<std::string>();
  auto as_json = std::make_shared<bool>(false);
  auto* check_command = command->add_subcommand("check", "Name every problem of a file as file:line:column");
  check_command->add_option("FILE", *file, "The file (else the one that clawql-api would read)");
  check_command->add_flag("--json", *as_json, "As JSON");
  check_command->callback([=, &exit_status] { exit_status = check(*file, *as_json); });

  auto* show_command = command->add_subcommand("show", "Print what holds, defaults included, without secrets");
  show_command->add_option("FILE", *file, "The file (else the one that clawql-api would read)");
  show_command->callback([=, &exit_status] { exit_status = show(*file); });

  auto as_markdown = std::make_shared<bool>(false);
  auto* schema_command = command->add_subcommand("schema", "Print the JSON Schema of the file");
  schema_command->add_flag("--markdown", *as_markdown, "The reference as Markdown instead");
  schema_command->callback([=, &exit_status] {
    print(*as_markdown ? config::markdown_reference() : config::json_schema());
    exit_status = kAsDeclared;
  });

  add_import(*command, exit_status);
}

}  // namespace clawql::cli
