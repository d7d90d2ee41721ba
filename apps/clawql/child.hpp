// A program that does one thing for us and ends.
#pragma once

#include <string_view>

#include "base/result.hpp"
#include "os/fd.hpp"
#include "os/spawn.hpp"

namespace clawql::cli {

// A file in memory, at its start: input for a child that need not read it, or room for what it says.
Result<os::Fd> memory_file(std::string_view content);
// Runs it; what did not end in time is killed, which is an error. The status as waitpid(2) fills it.
Result<int> run_within(const os::SpawnRequest& request, int milliseconds);

}  // namespace clawql::cli
