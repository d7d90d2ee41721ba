// `clawql stdio`: becomes the small static clawql-stdio, which is what an MCP client then talks to.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "commands.hpp"
#include "output.hpp"
#include "setup.hpp"

namespace clawql::cli {
namespace {

int run(const std::string& socket) {
  const auto program = own_program("libexec/clawql-stdio");
  if (!program) {
    complain(program.error().message);
    return kCouldNotTell;
  }
  std::string path = *program;
  std::string option = "--socket";
  std::string value = socket;
  char* with_socket[] = {path.data(), option.data(), value.data(), nullptr};
  char* plain[] = {path.data(), nullptr};
  execv(path.c_str(), socket.empty() ? plain : with_socket);
  complain(Error::system(path).message);
  return kCouldNotTell;
}

}  // namespace

void add_stdio(CLI::App& program, int& exit_status) {
  auto* command = program.add_subcommand("stdio", "Carry an MCP client's stdin and stdout to the gateway");
  auto socket = std::make_shared<std::string>();
  command->add_option("--socket", *socket, "Unix socket of the gateway");
  command->callback([socket, &exit_status] { exit_status = run(*socket); });
}

}  // namespace clawql::cli
