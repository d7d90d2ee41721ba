#include "setup.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "files.hpp"
#include "os/files.hpp"

extern char** environ;  // POSIX

namespace clawql::cli {
namespace {

std::string admin_socket_of(const config::Config& config, const config::Places& places) {
  if (!config.admin.path.empty()) return config.admin.path;
  const std::string folder =
      config.unix_listener.enabled ? os::parent_of(config.unix_listener.path) : places.runtime_folder;
  return folder + "/admin/admin.sock";
}

std::vector<std::string> candidates(const std::string& requested, std::vector<std::string> usual) {
  if (!requested.empty()) return {requested.starts_with("unix://") ? requested.substr(7) : requested};
  std::vector<std::string> out;
  for (auto& path : usual)
    if (!path.empty() && std::ranges::find(out, path) == out.end()) out.push_back(std::move(path));
  return out;
}

}  // namespace

config::Environment environment() {
  config::Environment out;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    const auto equals = text.find('=');
    if (equals != std::string_view::npos) out.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  return out;
}

Result<Setup> set_up(const std::string& config_file) {
  CLAWQL_TRY(config::Places places, config::places_of_caller());
  auto loaded = config::load_effective(config_file, places, environment());
  Setup setup{.places = places, .config = {}, .config_error = {}};
  if (loaded) {
    setup.config = std::move(*loaded);
  } else {
    setup.config = config::defaults(places);
    setup.config_error = std::move(loaded).error().message;
    const auto text = read_file(config_file.empty() ? places.config_file : config_file);
    if (!text) return setup;
    config::FoundPlaces found = config::places_in(*text, places);
    setup.config.unix_listener = std::move(found.unix_listener);
    setup.config.admin = std::move(found.admin);
    setup.config.audit.path = std::move(found.audit_file);
  }
  return setup;
}

std::vector<std::string> gateway_sockets(const Setup& setup, const std::string& requested) {
  const auto& own = setup.config.unix_listener;
  return candidates(requested, {own.enabled ? own.path : "", setup.places.runtime_folder + "/gateway.sock",
                                "/run/clawql/gateway.sock"});
}

std::vector<std::string> admin_sockets(const Setup& setup, const std::string& requested) {
  const std::string own = setup.config.admin.enabled ? admin_socket_of(setup.config, setup.places) : "";
  return candidates(requested,
                    {own, setup.places.runtime_folder + "/admin/admin.sock", "/run/clawql/admin/admin.sock"});
}

Result<std::string> own_program(const std::string& name) {
  std::array<char, 4096> buffer{};
  const ssize_t size = readlink("/proc/self/exe", buffer.data(), buffer.size());
  if (size <= 0) return fail_system("/proc/self/exe");
  std::string self(buffer.data(), static_cast<std::size_t>(size));
  if (name == "bin/clawql") return self;
  return os::parent_of(os::parent_of(self)) + "/" + name;
}

}  // namespace clawql::cli
