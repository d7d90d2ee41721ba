// Running a program of the system for its output.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "base/result.hpp"

namespace clawql::exposure::ports {

inline constexpr std::size_t kMaxToolOutput = 64U << 20;

// Searched in /usr/sbin, /sbin, /usr/bin, /bin alone; "" where there is none.
std::string find_tool(const std::string& name);
// Its standard output. An error: it did not end within `limit`, ended badly (with the first line of its stderr), or
// said too much. Runs in the network namespace of the calling thread.
Result<std::string> run_tool(const std::vector<std::string>& arguments, std::chrono::milliseconds limit);

}  // namespace clawql::exposure::ports
