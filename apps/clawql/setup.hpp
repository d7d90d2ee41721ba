// What most commands need first: where the caller's files are, the configuration that holds, and where the gateway's
// sockets may be.
#pragma once

#include <string>
#include <vector>

#include "base/result.hpp"
#include "config/config.hpp"

namespace clawql::cli {

struct Setup {
  config::Places places;
  config::Config config;     // where it is not lawful: the built-in defaults, with the file's sockets and audit log
  std::string config_error;  // why it is not lawful; empty: it is
};

// This process's environment, for ${env:NAME}.
config::Environment environment();
// `config_file` empty: the default one. Fails only where the caller has no home.
Result<Setup> set_up(const std::string& config_file);
// In the order in which they are tried.
std::vector<std::string> gateway_sockets(const Setup& setup, const std::string& requested);
std::vector<std::string> admin_sockets(const Setup& setup, const std::string& requested);
// The absolute path of a program of ours: "bin/clawql" is this one, "libexec/clawql-stdio" stands beside it.
Result<std::string> own_program(const std::string& name);

}  // namespace clawql::cli
