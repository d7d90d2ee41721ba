// `clawql doctor`: everything that is not as it should be, with what mends it.
#include <CLI/CLI.hpp>
#include <memory>

#include "commands.hpp"
#include "doctor_checks.hpp"
#include "json/document.hpp"
#include "json/writer.hpp"
#include "output.hpp"
#include "setup.hpp"
#include "status.hpp"

namespace clawql::cli {
namespace {

std::string layers_text(const json::Value& supervisor) {
  std::string out;
  for (const json::Value process : supervisor.find("processes").elements()) {
    out += "  " + printable(text_at(process, "name"), 32) + ":";
    for (const json::Value layer : process.find("layers").elements())
      out += std::string(layer.find("in_force").boolean().value_or(false) ? " +" : " -") +
             printable(text_at(layer, "name"), 64);
    out += "\n";
  }
  return out.empty() ? "" : "layers in force (+) and missing (-):\n" + out;
}

void print_human(const Examination& examined, const json::Value& supervisor) {
  std::string out;
  for (const auto& line : examined.well) out += "ok: " + printable(line, 400) + "\n";
  out += layers_text(supervisor);
  for (const auto& line : examined.unknown) out += "cannot tell: " + printable(one_line(line), 2000) + "\n";
  if (!examined.findings.empty()) out += "findings:\n" + findings_text(examined.findings);
  if (examined.findings.empty() && examined.unknown.empty()) out += "all is as declared\n";
  print(out);
}

void print_json(const Examination& examined) {
  std::string out = "{\"ok\":[";
  for (std::size_t i = 0; i < examined.well.size(); ++i) out += (i == 0 ? "" : ",") + json::quoted(examined.well[i]);
  out += "],\"unknown\":[";
  for (std::size_t i = 0; i < examined.unknown.size(); ++i)
    out += (i == 0 ? "" : ",") + json::quoted(examined.unknown[i]);
  print(out + "],\"findings\":" + findings_json(examined.findings) + "}\n");
}

int run(const std::string& config_file, const std::string& socket, const std::string& admin, bool as_json) {
  const auto setup = set_up(config_file);
  if (!setup) {
    complain(setup.error().message);
    return kCouldNotTell;
  }
  Examination examined;
  check_configuration(*setup, config_file, examined);
  check_group(*setup, examined);
  check_socket(*setup, socket, examined);
  const auto status = fetch_status(admin_sockets(*setup, admin));
  const auto document = json::Document::parse(status ? std::string_view(*status) : "{}", kStatusLimits);
  if (status)
    check_status(document->root(), examined);
  else
    examined.unknown.push_back("state of servers and lock-down: " + status.error().message);
  check_refused_hosts(*setup, examined);

  if (as_json)
    print_json(examined);
  else
    print_human(examined, document->root().find("supervisor"));
  if (any_to_mend(examined.findings)) return kFindings;
  return examined.unknown.empty() ? kAsDeclared : kCouldNotTell;
}

}  // namespace

void add_doctor(CLI::App& program, int& exit_status) {
  auto* command = program.add_subcommand("doctor", "What is not as it should be, and what mends it");
  auto config = std::make_shared<std::string>();
  auto socket = std::make_shared<std::string>();
  auto admin = std::make_shared<std::string>();
  auto as_json = std::make_shared<bool>(false);
  command->add_option("--config", *config, "The gateway's configuration file");
  command->add_option("--socket", *socket, "Its Unix socket");
  command->add_option("--admin-socket", *admin, "Its admin socket");
  command->add_flag("--json", *as_json, "As JSON");
  command->callback([=, &exit_status] { exit_status = run(*config, *socket, *admin, *as_json); });
}

}  // namespace clawql::cli
