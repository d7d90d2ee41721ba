// How a stdio server is started: the command line of clawql-run and the environment, both from the supervisor's own
// copy of the configuration alone.
#pragma once

#include <string>
#include <vector>

#include "config/config.hpp"
#include "os/users.hpp"

namespace clawql::supervisor {

// clawql-run [--listen] [--unix] [--read PATH]… [--write PATH]… -- COMMAND ARGS…
// `require_sandbox`: clawql-run refuses to start the server where a layer of its sandbox is missing.
std::vector<std::string> run_arguments(const config::Server& server, bool require_sandbox);
// HOME LOGNAME PATH SHELL TERM USER LANG TZ TMPDIR and what the entry declares (which wins). HOME and its like are the
// passwd entry's; the others come from `own`, the supervisor's environment.
std::vector<std::string> server_environment(const config::Server& server, const os::User& user,
                                            const config::Environment& own);
// LANG and TZ of `own`: all that door and engine get.
std::vector<std::string> program_environment(const config::Environment& own);

}  // namespace clawql::supervisor
