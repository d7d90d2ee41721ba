#include "arguments.hpp"

#include <string_view>

namespace clawql::run {

std::optional<Arguments> parse_arguments(char** argv) {
  Arguments arguments;
  if (*argv == nullptr) return std::nullopt;
  for (++argv; *argv != nullptr; ++argv) {
    const std::string_view word = *argv;
    if (word == "--") {
      if (argv[1] == nullptr || *argv[1] == '\0') return std::nullopt;
      arguments.command = argv + 1;
      return arguments;
    }
    if (word == "--listen") {
      arguments.may_listen = true;
    } else if (word == "--unix") {
      arguments.may_use_unix = true;
    } else if (word == "--require-sandbox") {
      arguments.require_sandbox = true;
    } else if (word == "--read" || word == "--write") {
      // The absolute path keeps a change of directory from changing what is allowed.
      if (argv[1] == nullptr || *argv[1] != '/') return std::nullopt;
      arguments.allowed.push_back({*++argv, word == "--write"});
    } else {
      return std::nullopt;
    }
  }
  return std::nullopt;
}

}  // namespace clawql::run
