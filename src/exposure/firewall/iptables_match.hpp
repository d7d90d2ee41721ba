// The words of one iptables rule as statements. Internal to the iptables reader.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "exposure/firewall/rules.hpp"
#include "exposure/firewall/topology.hpp"

namespace clawql::exposure::firewall::iptables {

struct Parsed {
  std::vector<Condition> conditions;
  std::string target;  // of -j or -g; empty: none
  bool go_to = false;
  std::vector<std::string> target_options;
};

// The words of a line as iptables-save writes it: quotes and backslashes undone. An error: a quote is not closed.
Result<std::vector<std::string>> words_of(std::string_view line);
// `words`: what follows "-A CHAIN".
Result<Parsed> parse_rule(const std::vector<std::string>& words, Space space, const Topology& topology);

// "12" or "0xc".
std::optional<std::uint32_t> mark_number(std::string_view text);

}  // namespace clawql::exposure::firewall::iptables
