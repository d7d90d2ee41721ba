#include "exposure/firewall/idle_rules.hpp"

#include <algorithm>
#include <string>

namespace clawql::exposure::firewall {
namespace {

bool exists(const std::string& interface, const Topology& topology) {
  // Without knowledge of the host, only names that are certainly none.
  if (!topology.complete) return interface != "any" && interface != "all" && interface != "0.0.0.0";
  return std::ranges::any_of(topology.links, [&](const Topology::Link& link) { return link.name == interface; });
}

// The one interface that a rule is about; "" where it is none or several.
std::string interface_of(const Rule& rule) {
  for (const Statement& statement : rule.statements) {
    const auto* condition = std::get_if<Condition>(&statement);
    if (!condition || condition->may.size() != 1) continue;
    const IntervalSet& names = condition->may[0][Field::in_interface];
    if (names.is_single()) return interfaces_text(names);
  }
  return {};
}

bool is_about(const Rule& rule, Field field, std::uint16_t port) {
  return std::ranges::any_of(rule.statements, [&](const Statement& statement) {
    const auto* condition = std::get_if<Condition>(&statement);
    return condition && condition->may.size() == 1 && condition->may[0][field].contains(port) &&
           condition->may[0][field] != all_of(field, Family::ipv4);
  });
}

bool drops(const Rule& rule) {
  return std::ranges::any_of(rule.statements, [](const Statement& statement) {
    const auto* verdict = std::get_if<Verdict>(&statement);
    return verdict && verdict->kind == VerdictKind::drop;
  });
}

// All packets that the rule's conditions let through.
Flows matched_by(const Rule& rule, Family family) {
  Flows out{Flow{Box(family), false, false, {}}};
  for (const Statement& statement : rule.statements)
    if (const auto* condition = std::get_if<Condition>(&statement)) out = intersected(out, condition->may);
  return out;
}

// Does the rule match any of these packets? Most rules do not, so nothing is copied for them.
bool meets(const Rule& rule, const Flows& flows) {
  Flows common;
  const Flows* left = &flows;
  for (const Statement& statement : rule.statements)
    if (const auto* condition = std::get_if<Condition>(&statement)) {
      common = intersected(*left, condition->may);
      if (common.empty()) return false;
      left = &common;
    }
  return !left->empty();
}

bool translates_port(const RuleSet& rules, std::uint16_t port) {
  for (const auto& [name, chain] : rules.chains)
    for (const Rule& rule : chain.rules)
      for (const Statement& statement : rule.statements)
        if (const auto* translation = std::get_if<Translation>(&statement))
          if (translation->port && !translation->port->contains(port) && is_about(rule, Field::destination_port, port))
            return true;
  return false;
}

void add_once(std::vector<Finding>& findings, Finding finding) {
  for (const Finding& known : findings)
    if (known.id == finding.id && known.text == finding.text) return;
  findings.push_back(std::move(finding));
}

}  // namespace

std::optional<RuleId> later_deny(RuleId id, const Flows& flows, const RuleSet& rules, const Topology& topology) {
  for (const auto& [name, chain] : rules.chains) {
    auto at = std::ranges::find(chain.rules, id, &Rule::id);
    if (at == chain.rules.end()) continue;
    const Flows accepted = matched_by(*at, rules.space.family);
    for (++at; at != chain.rules.end(); ++at) {
      if (!drops(*at)) continue;
      if (!meets(*at, flows)) continue;
      const std::string interface = interface_of(*at);
      if (!interface.empty() && !exists(interface, topology)) continue;  // it would do nothing anyway
      // A deny that reaches beyond the allow does its work there ("allow these, deny the rest"); one that lies within
      // it does nothing at all.
      const Flows denied = matched_by(*at, rules.space.family);
      Flows seen = denied;
      for (const Flow& flow : accepted) seen = without(seen, {flow.box});
      if (seen.empty()) return at->id;
    }
  }
  return std::nullopt;
}

void find_idle_rules(const Listener& listener, const RuleSet& rules, const Topology& topology,
                     std::vector<Finding>& findings) {
  const bool port_changes = translates_port(rules, listener.port);
  for (const auto& [name, chain] : rules.chains)
    for (const Rule& rule : chain.rules) {
      if (!is_about(rule, Field::destination_port, listener.port)) continue;
      const RuleText& text = rules.rules[rule.id];
      const std::string interface = interface_of(rule);
      if (!interface.empty() && !exists(interface, topology)) {
        const bool ufw = name.find("ufw") != std::string::npos;
        add_once(findings, {ufw ? "firewall.ufw.interface-missing" : "firewall.interface-missing", "high",
                            "a rule for " + listener.name() + " does nothing, because there is no interface \"" +
                                interface + "\": " + text.text,
                            ufw ? "Leave out `on " + interface + "`: `ufw deny in to any port " +
                                      std::to_string(listener.port) + "`."
                                : "Name an interface that exists, or none.",
                            listener.name()});
      }
      if (port_changes && name.ends_with(" DOCKER-USER") && drops(rule))
        add_once(findings, {"firewall.docker-user.after-dnat", "high",
                            "a DOCKER-USER rule looks at port " + std::to_string(listener.port) +
                                ", but DNAT has changed it before: " + text.text,
                            "Match the port that the client used: `-m conntrack --ctorigdstport " +
                                std::to_string(listener.port) + " --ctdir ORIGINAL`.",
                            listener.name()});
    }
}

}  // namespace clawql::exposure::firewall
