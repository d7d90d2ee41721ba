#include <CLI/CLI.hpp>

#include "ports.hpp"
namespace clawql::cli {
void add_ports_watch(CLI::App&, int&) {}
}  // namespace clawql::cli
