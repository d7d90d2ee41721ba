// Reading the audit log, for `audit tail` and `doctor`.
#pragma once

#include <string>
#include <vector>

#include "base/result.hpp"

namespace clawql::cli {

// The last lines of the file, oldest first; at most `count`, and no more than the last 16 MiB hold.
Result<std::vector<std::string>> last_lines(const std::string& path, std::size_t count);

}  // namespace clawql::cli
