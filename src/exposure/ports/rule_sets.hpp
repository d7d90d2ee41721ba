// The rule sets of the calling thread's network namespace, as their own tools print them.
#pragma once

#include <string>
#include <vector>

#include "exposure/ports/findings.hpp"

namespace clawql::exposure::ports {

// Appends diversions to `ways` and whatever could not be read to `gaps`. A namespace without any table costs one
// netlink question; only else a tool is run.
void read_rule_sets(const std::string& space, std::vector<Finding>& ways, std::vector<Finding>& gaps);

}  // namespace clawql::exposure::ports
