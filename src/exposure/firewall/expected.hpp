// The listeners of an expected-state file: the same file that `clawql ports` reads. Here only what the firewall needs
// is looked at; keys that belong to `clawql ports` are accepted, all others refused.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "exposure/firewall/listener.hpp"

namespace clawql::exposure::firewall {

struct Expected {
  std::vector<Listener> listeners;
  std::vector<std::string> skipped;  // "line 7: …": entries that no firewall rule can be about, and why
};

// An error holds one line for each problem, "file:line:column: text".
Result<Expected> read_expected(std::string_view text, const std::string& file);

}  // namespace clawql::exposure::firewall
