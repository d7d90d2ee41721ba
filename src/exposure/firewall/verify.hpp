// The proof for each listener: everybody whose packets get through to it, by the rules as they are, against everybody
// who was declared.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "exposure/firewall/listener.hpp"
#include "exposure/firewall/rules.hpp"
#include "exposure/firewall/topology.hpp"

namespace clawql::exposure::firewall {

// The rules as text. Empty: there are none of this kind.
struct RuleTexts {
  struct Save {
    std::string text, tool;  // "iptables", "iptables-legacy", …; for reports
    Family family;
  };
  std::string nft;  // `nft -j list ruleset`
  std::vector<Save> saves;
};

struct Finding {
  std::string id;        // stable, "firewall.surplus"
  std::string severity;  // "info" | "low" | "medium" | "high" | "critical"
  std::string text, remedy;
  std::string listener;  // its name; empty: about the rules themselves
};

// One way to a listener.
struct Reach {
  Family family;
  bool forwarded = false;  // through FORWARD, to a container or another host
  std::string endpoint;    // where the packets end: "100.64.0.10:8080", "172.17.0.2:80"
  Flows flows;             // new connections that get there
  Flows established;       // later packets of connections that came about
  std::vector<std::string> lines;
  IntervalSet
      own_links;  // of a forwarded one: the interfaces whose own networks hold the endpoint, where that is known
};

struct ListenerProof {
  Listener listener;
  std::vector<Reach> reaches;
  std::vector<std::string> lines;  // all of them together, in the fewest
};

struct Proof {
  std::vector<ListenerProof> listeners;
  std::vector<Finding> findings;
  bool complete = true;  // false: something could widen the set in ways that were not computed
};

// An error: a text is no rule set, or the rules are too complex.
Result<Proof> verify(const std::vector<Listener>& listeners, const RuleTexts& texts, const Topology& topology);
// One rule set out of the texts, for one family and protocol.
Result<RuleSet> read_rules(const RuleTexts& texts, const Topology& topology, Space space);
// How packets get to one listener.
Result<std::vector<Reach>> reaches_of(const Listener& listener, const RuleSet& rules, const Topology& topology,
                                      std::set<std::pair<RuleId, std::string>>& doubts);

}  // namespace clawql::exposure::firewall
