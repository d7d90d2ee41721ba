// What the commands of `clawql ports` share.
#pragma once

#include <string>

#include "base/result.hpp"
#include "exposure/ports/expected.hpp"

namespace CLI {
class App;
}

namespace clawql::cli {

inline constexpr const char* kExpectedFile = "/etc/clawql/ports.yaml";

Result<exposure::ports::ExpectedState> read_expected(const std::string& path);
exposure::ports::Scope scope_of(const exposure::ports::ExpectedState& expected);
void add_ports_watch(CLI::App& ports, int& exit_status);

}  // namespace clawql::cli
