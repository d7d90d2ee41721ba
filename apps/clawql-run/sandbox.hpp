// What a server gives up before its program starts. Runs in the server's own process, between fork and exec.
#pragma once

#include "arguments.hpp"

namespace clawql::run {

struct SandboxOutcome {
  int error = 0;             // errno of what failed: the server must not start
  const char* failed = "";   // what that was, in words
  const char* missing = "";  // a layer that this kernel lacks, empty: none
};

SandboxOutcome enter_sandbox(const Arguments& arguments);

}  // namespace clawql::run
