// The single examinations of `clawql doctor`.
#pragma once

#include <string>
#include <vector>

#include "json/document.hpp"
#include "output.hpp"
#include "setup.hpp"

namespace clawql::cli {

struct Examination {
  std::vector<std::string> well;     // what was found in order
  std::vector<std::string> unknown;  // what could not be examined, and why
  std::vector<Finding> findings;
};

void check_configuration(const Setup& setup, const std::string& requested, Examination& examined);
// Does the socket's group exist, and is the caller in it (in this login session too)?
void check_group(const Setup& setup, Examination& examined);
// Can the caller connect and speak MCP? Are there names that clients cut?
void check_socket(const Setup& setup, const std::string& requested, Examination& examined);
// Layers, servers, hidden items and findings, of the gateway's status.
void check_status(const json::Value& status, Examination& examined);
// Hosts that were refused lately, each with the line that would allow it.
void check_refused_hosts(const Setup& setup, Examination& examined);

}  // namespace clawql::cli
