#include "supervisor/server_command.hpp"

#include <fmt/format.h>

#include <array>
#include <map>

namespace clawql::supervisor {
namespace {

constexpr const char* kDefaultPath = "/usr/local/bin:/usr/bin:/bin";
constexpr std::array<const char*, 5> kPassedOn{"PATH", "TERM", "LANG", "TZ", "TMPDIR"};

std::vector<std::string> as_list(const config::Environment& environment) {
  std::vector<std::string> list;
  list.reserve(environment.size());
  for (const auto& [name, value] : environment) list.push_back(fmt::format("{}={}", name, value));
  return list;
}

}  // namespace

std::vector<std::string> run_arguments(const config::Server& server, bool require_sandbox) {
  std::vector<std::string> arguments{"clawql-run"};
  if (require_sandbox) arguments.emplace_back("--require-sandbox");
  if (server.sandbox.listen) arguments.emplace_back("--listen");
  if (server.sandbox.unix_sockets) arguments.emplace_back("--unix");
  for (const std::string& path : server.sandbox.files_read) arguments.insert(arguments.end(), {"--read", path});
  for (const std::string& path : server.sandbox.files_write) arguments.insert(arguments.end(), {"--write", path});
  arguments.emplace_back("--");
  arguments.push_back(server.command);
  arguments.insert(arguments.end(), server.args.begin(), server.args.end());
  return arguments;
}

std::vector<std::string> server_environment(const config::Server& server, const os::User& user,
                                            const config::Environment& own) {
  config::Environment result{{"PATH", kDefaultPath}};
  for (const char* name : kPassedOn) {
    if (const auto found = own.find(name); found != own.end()) result[name] = found->second;
  }
  result["HOME"] = user.home;
  result["LOGNAME"] = user.name;
  result["USER"] = user.name;
  result["SHELL"] = user.shell;
  for (const auto& [name, value] : server.environment) result[name] = value;
  return as_list(result);
}

std::vector<std::string> program_environment(const config::Environment& own) {
  config::Environment result;
  for (const char* name : {"LANG", "TZ"}) {
    if (const auto found = own.find(name); found != own.end()) result[name] = found->second;
  }
  return as_list(result);
}

}  // namespace clawql::supervisor
