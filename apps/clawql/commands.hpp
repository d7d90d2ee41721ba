// The commands of the operator's command line, one file each. A command adds itself to the program and, when it is the
// one that was asked for, leaves its exit status: 0 as declared, 1 findings, 2 could not tell or bad usage.
#pragma once

namespace CLI {
class App;
}

namespace clawql::cli {

inline constexpr int kAsDeclared = 0;
inline constexpr int kFindings = 1;
inline constexpr int kCouldNotTell = 2;

void add_stdio(CLI::App& program, int& exit_status);
void add_connect(CLI::App& program, int& exit_status);
void add_config(CLI::App& program, int& exit_status);
void add_import(CLI::App& config, int& exit_status);  // `config import`
void add_status(CLI::App& program, int& exit_status);
void add_tools(CLI::App& program, int& exit_status);
void add_audit(CLI::App& program, int& exit_status);
void add_reload(CLI::App& program, int& exit_status);
void add_doctor(CLI::App& program, int& exit_status);
void add_ports(CLI::App& program, int& exit_status);
void add_firewall(CLI::App& program, int& exit_status);

}  // namespace clawql::cli
