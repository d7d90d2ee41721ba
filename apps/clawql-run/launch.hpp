// Starts the server: an own session, nothing open but its three pipes, the sandbox, exec.
#pragma once

#include "arguments.hpp"

namespace clawql::run {

// Descriptors that the supervisor hands over, if it does.
inline constexpr int kLifeFd = 3;    // end-of-file: the supervisor is gone
inline constexpr int kReportFd = 4;  // why the command could not be started; closed when it was

// The server's pid, -1 if fork failed. Where the command cannot be started, the child writes a line to kReportFd and
// exits with 127 (not found) or 126.
int launch(const Arguments& arguments);

// Writes "what: why\n" to kReportFd, or to stderr where that is not open.
void report_failure(const char* what, int error);

}  // namespace clawql::run
