// The rules of iptables and ip6tables, as iptables-save writes them.
#pragma once

#include <set>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "exposure/firewall/rules.hpp"
#include "exposure/firewall/topology.hpp"

namespace clawql::exposure::firewall {

// The tables that the text holds: "filter", "nat" … An error: it is no output of iptables-save, or is cut (a table
// without its COMMIT).
Result<std::set<std::string>> iptables_tables(std::string_view text);
// Adds the rules. `text` is of the family of rules.space. `tool`: "iptables", "ip6tables", for reports.
Status read_iptables(std::string_view text, std::string_view tool, const Topology& topology, RuleSet& rules);

}  // namespace clawql::exposure::firewall
