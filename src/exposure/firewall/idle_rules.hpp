// Rules that look right and do nothing.
#pragma once

#include <optional>
#include <vector>

#include "exposure/firewall/verify.hpp"

namespace clawql::exposure::firewall {

// A rule behind `id`, in the same chain, that would drop some of these packets; nullopt: there is none.
std::optional<RuleId> later_deny(RuleId id, const Flows& flows, const RuleSet& rules, const Topology& topology);

// Adds findings about rules for this listener that can never match: an interface that does not exist (ufw's `in on
// any`), a DOCKER-USER rule on the port that DNAT has changed already.
void find_idle_rules(const Listener& listener, const RuleSet& rules, const Topology& topology,
                     std::vector<Finding>& findings);

}  // namespace clawql::exposure::firewall
