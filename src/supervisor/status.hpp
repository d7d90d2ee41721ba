// The supervisor's part of `clawql status`, and its findings: what a person should change, with the remedy.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.hpp"
#include "ipc/settings.hpp"
#include "supervisor/program.hpp"
#include "supervisor/servers.hpp"

namespace clawql::supervisor {

struct Finding {
  std::string id;        // stable: "gateway.runs-as-root"
  std::string severity;  // "low" | "medium" | "high" | "critical"
  std::string text;
  std::string remedy;
};

struct StatusFacts {
  std::int64_t started = 0;  // wall clock, nanoseconds
  std::uint64_t generation = 0;
  const config::Config& config;
  std::vector<ipc::ListenerSettings> listeners;
  std::vector<const Program*> programs;
  std::vector<Servers::Description> servers;
  std::vector<std::string> warnings;
};

// `gateway_uid`: as whom servers without `user:` run; `config_readable`: may that uid read the configuration file?
std::vector<Finding> findings(const StatusFacts& facts, uid_t gateway_uid, bool config_readable);
std::string status_json(const StatusFacts& facts, const std::vector<Finding>& findings);
// {"error":"…"}
std::string error_json(std::string_view text);

}  // namespace clawql::supervisor
