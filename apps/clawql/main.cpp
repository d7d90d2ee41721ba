// clawql, the operator's command line: a table of commands, one file each.
#include <CLI/CLI.hpp>
#include <csignal>

#include "commands.hpp"

int main(int argc, char** argv) {
  using namespace clawql::cli;
  static_cast<void>(std::signal(SIGPIPE, SIG_IGN));  // `clawql … | head`: a write fails, nothing is killed halfway
  CLI::App program("ClawQL Gateway: the operator's command line");
  program.set_version_flag("--version", CLAWQL_VERSION);
  program.require_subcommand(1);
  int exit_status = kAsDeclared;
  using Add = void (*)(CLI::App&, int&);
  for (const Add add : {add_stdio, add_connect, add_config, add_status, add_tools, add_audit, add_reload, add_doctor,
                        add_ports, add_firewall})
    add(program, exit_status);
  try {
    program.parse(argc, argv);
  } catch (const CLI::Success& asked_for_help) {
    return program.exit(asked_for_help);
  } catch (const CLI::ParseError& bad_usage) {
    program.exit(bad_usage);
    return kCouldNotTell;
  }
  return exit_status;
}
