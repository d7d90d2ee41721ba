// The rules of nftables, as `nft -j list ruleset` writes them (libnftables-json(5), schema version 1).
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.hpp"
#include "exposure/firewall/rules.hpp"
#include "exposure/firewall/topology.hpp"

namespace clawql::exposure::firewall {

// Adds the tables of `text` to `rules`, for rules.space. `skipped`: tables (family, name) that another reader reads
// (those of iptables-nft, whose matches nft cannot show). An error: the text is no such ruleset, or is cut.
Status read_nft(std::string_view text, const Topology& topology,
                const std::set<std::pair<std::string, std::string>>& skipped, RuleSet& rules);

}  // namespace clawql::exposure::firewall
