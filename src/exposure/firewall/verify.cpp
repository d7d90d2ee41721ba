#include "exposure/firewall/verify.hpp"

#include <algorithm>
#include <map>
#include <utility>

#include "exposure/firewall/describe.hpp"
#include "exposure/firewall/evaluate.hpp"
#include "exposure/firewall/idle_rules.hpp"

namespace clawql::exposure::firewall {
namespace {

std::string joined(const std::vector<std::string>& lines) {
  std::string out;
  for (const std::string& line : lines) out += (out.empty() ? "" : "; ") + line;
  return out;
}

std::string family_text(Family family) {
  return family == Family::ipv4 ? "IPv4" : "IPv6";
}

// What is to blame: the last rule that accepted by itself; where policies alone did, the last of them.
std::optional<RuleId> letter_in(const Flow& flow, const RuleSet& rules) {
  for (auto at = flow.let_in_by.rbegin(); at != flow.let_in_by.rend(); ++at)
    if (!rules.rules[*at].is_policy) return *at;
  if (flow.let_in_by.empty()) return std::nullopt;
  return flow.let_in_by.back();
}

std::string rule_text(std::optional<RuleId> id, const RuleSet& rules) {
  if (!id) return "no rule at all looks at it";
  const RuleText& rule = rules.rules[*id];
  return (rule.is_policy ? "no rule stops it, and then: " : "by the rule ") + rule.where + ": " + rule.text;
}

class Verifier {
 public:
  Verifier(const RuleTexts& texts, const Topology& topology) : texts_(texts), topology_(topology) {}

  Status add(const Listener& listener) {
    ListenerProof proof{listener, {}, {}};
    bool surplus4 = false;
    for (const Family family : {Family::ipv4, Family::ipv6}) {
      if (!listener.uses(family)) continue;
      CLAWQL_TRY(const RuleSet* rules, rules_of({family, listener.protocol}));
      std::set<std::pair<RuleId, std::string>> doubts;
      CLAWQL_TRY(std::vector<Reach> reaches, reaches_of(listener, *rules, topology_, doubts));
      const bool surplus =
          judge(listener, reaches, *rules, doubts, family == Family::ipv6 && listener.ipv4 && !surplus4);
      if (family == Family::ipv4) surplus4 = surplus;
      std::ranges::move(reaches, std::back_inserter(proof.reaches));
      find_idle_rules(listener, *rules, topology_, proof_.findings);
    }
    proof.lines = summary(proof.reaches);
    proof_.listeners.push_back(std::move(proof));
    return {};
  }

  Proof take() { return std::move(proof_); }

 private:
  Result<const RuleSet*> rules_of(Space space) {
    const auto key = std::pair(space.family, space.protocol);
    if (const auto found = rules_.find(key); found != rules_.end()) return &found->second;
    CLAWQL_TRY(RuleSet rules, read_rules(texts_, topology_, space));
    for (const std::string& what : rules.not_modelled) {
      proof_.complete = false;
      proof_.findings.push_back({"firewall.not-modelled", "medium",
                                 what + ": who reaches the listeners by it is not known",
                                 "Look at the rule yourself, or remove it.", ""});
    }
    return &rules_.emplace(key, std::move(rules)).first->second;
  }

  // True: more get through than was declared.
  bool judge(const Listener& listener, const std::vector<Reach>& reaches, const RuleSet& rules,
             const std::set<std::pair<RuleId, std::string>>& doubts, bool ipv6_alone) {
    const Family family = rules.space.family;
    std::vector<Box> allowed = allowed_boxes(listener, family);
    for (const Reach& reach : reaches)
      if (!reach.forwarded && reaches.size() == 1) report_closed(listener, allowed, reach, family);
    allowed.push_back(Box(family).with(Field::in_interface, *interface_set("lo", false)));
    bool any = false;
    for (const Reach& reach : reaches) any = report_surplus(listener, allowed, reach, rules, ipv6_alone) || any;
    report_doubts(listener, rules, doubts);
    return any;
  }

  bool report_surplus(const Listener& listener, const std::vector<Box>& allowed, const Reach& reach,
                      const RuleSet& rules, bool ipv6_alone) {
    Flows surplus = without(reach.flows, allowed);
    // Neighbours of a container on its own bridge do not come through this host.
    if (!reach.own_links.empty())
      surplus = without(surplus, {Box(reach.family).with(Field::in_interface, reach.own_links)});
    if (surplus.empty()) return false;
    if (!listener.sources_declared && !listener.is_loopback()) {
      proof_.findings.push_back({"firewall.sources-undeclared", "low",
                                 listener.name() + " (" + family_text(reach.family) + ") is reached " +
                                     joined(lines_of(surplus, reach.family)) + ", and no one was declared who may",
                                 "Name its `sources` or `interfaces` in the declaration.", listener.name()});
      return false;
    }
    std::map<std::optional<RuleId>, Flows> by_rule;
    for (const Flow& flow : surplus) by_rule[letter_in(flow, rules)].push_back(flow);
    for (const auto& [id, flows] : by_rule) {
      Finding finding;
      finding.listener = listener.name();
      finding.severity = "high";
      finding.id = reach.forwarded ? "firewall.docker.bypass" : ipv6_alone ? "firewall.ipv6-open" : "firewall.surplus";
      finding.text = listener.name() + " is reached " + joined(lines_of(flows, reach.family)) + " (" +
                     family_text(reach.family) + (reach.forwarded ? ", sent on to " + reach.endpoint : "") +
                     "), which was not declared: " + rule_text(id, rules);
      finding.remedy = reach.forwarded
                           ? "`clawql firewall render --backend docker` makes the rules that close it."
                           : "Remove or narrow that rule; `clawql firewall render` makes the rules that close it.";
      if (const auto denied = id ? later_deny(*id, flows, rules, topology_) : std::nullopt) {
        finding.id = "firewall.order-defeats-deny";
        finding.text += "; a later rule denies it and never sees it: " + rules.rules[*denied].text;
        finding.remedy = "Move the deny before that rule (ufw: `ufw prepend deny …`).";
      }
      proof_.findings.push_back(std::move(finding));
    }
    return true;
  }

  // Declared, and yet nothing gets through: not dangerous, but not as declared either.
  void report_closed(const Listener& listener, const std::vector<Box>& allowed, const Reach& reach, Family family) {
    Flows rest;
    for (const Box& box : allowed) {
      Flow flow{box, true, true, {}};
      flow.box[Field::source] = flow.box[Field::source].intersected(sources_from_outside(family));
      flow.box[Field::in_interface] = flow.box[Field::in_interface].without(*interface_set("lo", false));
      flow.box[Field::state] = IntervalSet::of(static_cast<Number>(State::fresh));
      flow.box[Field::translated] = IntervalSet::of(0);
      flow.box[Field::destination_port] = IntervalSet::of(listener.port);
      if (listener.address)
        flow.box[Field::destination] = IntervalSet::of(listener.address->value);
      else if (topology_.complete)
        flow.box[Field::destination] = topology_.local_addresses(family).without(
            IntervalSet(parse_network("127.0.0.0/8")->range.first, parse_network("127.0.0.0/8")->range.last));
      if (!flow.box.empty()) rest.push_back(std::move(flow));
    }
    for (const Flow& open : reach.flows) rest = without(rest, {open.box});
    if (rest.empty()) return;
    proof_.findings.push_back({"firewall.closed", "low",
                               listener.name() + " was declared for packets " + joined(lines_of(rest, family)) + " (" +
                                   family_text(family) + "), and the rules stop them",
                               "Allow them (`clawql firewall render`), or take them out of the declaration.",
                               listener.name()});
  }

  void report_doubts(const Listener& listener, const RuleSet& rules,
                     const std::set<std::pair<RuleId, std::string>>& doubts) {
    for (const auto& [id, why] : doubts) {
      if (!reported_.insert(rules.rules[id].where + rules.rules[id].text).second) continue;
      proof_.findings.push_back({"firewall.not-modelled", "info",
                                 "not understood, and counted as if it let packets through: " + why + ", in the rule " +
                                     rules.rules[id].where + ": " + rules.rules[id].text,
                                 "Nothing, where the computed set is what you want: it can only be smaller in truth.",
                                 listener.name()});
    }
  }

  static std::vector<std::string> summary(const std::vector<Reach>& reaches) {
    std::vector<std::string> out;
    for (const Reach& reach : reaches)
      for (const std::string& line : reach.lines) {
        const std::string whole = line + (reach.forwarded ? " (sent on to " + reach.endpoint + ")" : "");
        if (std::ranges::find(out, whole) == out.end()) out.push_back(whole);
      }
    out.emplace_back(out.empty() ? "nobody" : "nobody else");
    return out;
  }

  const RuleTexts& texts_;
  const Topology& topology_;
  std::map<std::pair<Family, std::uint8_t>, RuleSet> rules_;
  std::set<std::string> reported_;
  Proof proof_;
};

}  // namespace

Result<Proof> verify(const std::vector<Listener>& listeners, const RuleTexts& texts, const Topology& topology) {
  Verifier verifier(texts, topology);
  for (const Listener& listener : listeners) CLAWQL_CHECKED(verifier.add(listener));
  return verifier.take();
}

}  // namespace clawql::exposure::firewall
