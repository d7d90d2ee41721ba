// The command line: clawql-run [--listen] [--unix] [--read PATH]… [--write PATH]… [--require-sandbox] -- COMMAND ARGS…
#pragma once

#include <optional>
#include <vector>

#include "os/landlock.hpp"

namespace clawql::run {

struct Arguments {
  bool may_listen = false;                // --listen: listen() and TCP bind stay
  bool may_use_unix = false;              // --unix: socket(AF_UNIX) stays
  bool require_sandbox = false;           // --require-sandbox: a layer that the kernel lacks is an error
  std::vector<os::LandlockPath> allowed;  // --read, --write; empty: no rules on files
  char** command = nullptr;               // COMMAND ARGS… and a null pointer, inside argv
};

// nullopt: not understood.
std::optional<Arguments> parse_arguments(char** argv);

inline constexpr char kUsage[] =
    "usage: clawql-run [--listen] [--unix] [--read PATH]... [--write PATH]... [--require-sandbox] -- COMMAND ARGS...\n";

}  // namespace clawql::run
