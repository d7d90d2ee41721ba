// `${env:NAME}`, `${NAME}` and `${NAME:-default}` in values of `args` and `env`, replaced from the environment that was
// handed in. `$${` is a plain `${`. Nothing else is special.
#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"
#include "config/config.hpp"

namespace clawql::config {

// How the error of a name that is not set begins: the shell of the operator need not have what the gateway has.
inline constexpr std::string_view kNotInEnvironment = "the environment of clawql-api has no ";
// An error names the reference, never a value.
Result<std::string> expand(std::string_view text, const Environment& environment);
// True when the text holds a reference, so that its value is not written in the file.
bool has_reference(std::string_view text);
// A name of the environment: letters, digits and `_`, no digit first.
bool is_environment_name(std::string_view name);

// NAME=VALUE lines as dotenv files have them: `#` comments, `export`, '…' and "…" quotes (\n \t \" \\ in the latter).
// An error names the line, never a value.
Result<std::vector<std::pair<std::string, std::string>>> parse_env_file(std::string_view text);

}  // namespace clawql::config
