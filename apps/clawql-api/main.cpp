// clawql-api: wires the supervisor and runs it.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <array>
#include <cstdio>
#include <cstdlib>

#include "base/clock.hpp"
#include "base/log.hpp"
#include "io/loop.hpp"
#include "os/process.hpp"
#include "os/spawn.hpp"
#include "supervisor/supervisor.hpp"

extern char** environ;

namespace {

using namespace clawql;

struct Arguments {
  std::string config;
  bool check = false;
  bool version = false;
};

config::Environment own_environment() {
  config::Environment result;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    const std::size_t equals = text.find('=');
    if (equals != std::string_view::npos) result.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  return result;
}

// ../libexec beside this program's own folder.
std::string libexec_folder() {
  std::array<char, 4096> path{};
  const ssize_t length = ::readlink("/proc/self/exe", path.data(), path.size());
  const std::string_view self(path.data(), length > 0 ? static_cast<std::size_t>(length) : 0);
  return std::string(self.substr(0, self.rfind('/'))) + "/../libexec";
}

// The working directory decides nothing later on.
std::string absolute(const std::string& path) {
  if (path.empty() || path.front() == '/') return path;
  std::array<char, 4096> here{};
  return ::getcwd(here.data(), here.size()) == nullptr ? path : fmt::format("{}/{}", here.data(), path);
}

// --check: says what a start would say, and binds nothing.
int check(const Result<config::Config>& config, const config::Places& places) {
  std::vector<std::string> warnings;
  Status status =
      config ? supervisor::check_posture(*config, places, warnings) : Status(std::unexpected(config.error()));
  if (!status) {
    fmt::print(stderr, "{}\n", status.error().message);
    return supervisor::kExitRefused;
  }
  for (const config::Notice& notice : config->notices) {
    fmt::print("{}: {} ({})\n", notice.where, notice.text, notice.id);
  }
  for (const std::string& warning : warnings) fmt::print("{}\n", warning);
  fmt::print("{}: ok\n", config->path.empty() ? "built-in defaults" : config->path);
  return supervisor::kExitClean;
}

int run(const Arguments& arguments) {
  const base::SystemClock clock;
  const base::Microseconds started = clock.monotonic();
  const os::Fd output = os::own_log_descriptor(STDERR_FILENO);
  const auto format = ::isatty(STDERR_FILENO) == 1 ? base::Logger::Format::human : base::Logger::Format::json;
  base::Logger log(output.get(), format, "clawql-api", clock);
  const auto places = config::places_of_caller();
  if (!places) {
    log.error("start.refused", {{"reason", places.error().message}});
    return supervisor::kExitRefused;
  }
  supervisor::Options options;
  options.places = *places;
  options.environment = own_environment();
  options.libexec = libexec_folder();
  options.log_output = output.get();
  options.started = started;
  options.load = [path = absolute(arguments.config), places = *places, environment = options.environment] {
    return config::load_effective(path, places, environment);
  };
  if (arguments.check) return check(options.load(), *places);

  os::raise_file_limit();  // each server is two descriptors
  io::Loop loop(clock);
  os::SystemSpawner spawner;
  supervisor::Supervisor supervisor(loop, spawner, log, std::move(options));
  return supervisor.run();
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  CLI::App app{"ClawQL Gateway: the daemon. Starts the door, the engine and the MCP servers.", "clawql-api"};
  app.add_option("--config", arguments.config, "configuration file; else the default one, else built-in defaults");
  app.add_flag("--check", arguments.check, "check the configuration, bind nothing");
  app.add_flag("--version", arguments.version, "print the version");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? supervisor::kExitClean : supervisor::kExitUsage;
  }
  if (arguments.version) {
    fmt::print("clawql-api {}\n", CLAWQL_VERSION);
    return supervisor::kExitClean;
  }
  return run(arguments);
}
