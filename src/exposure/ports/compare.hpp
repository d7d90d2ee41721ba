// What differs between the declared and the seen, in both directions. Pure: no system calls but names of users and
// groups.
#pragma once

#include <vector>

#include "exposure/ports/expected.hpp"

namespace clawql::exposure::ports {

// Each difference once, gaps first, then by severity and place. Accepted ones are left out.
std::vector<Finding> compare(const ExpectedState& expected, const Survey& survey);

}  // namespace clawql::exposure::ports
