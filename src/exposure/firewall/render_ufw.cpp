// ufw: its own commands. The first match wins, so the deny is put in front of everything and the allows in front of it;
// what we made earlier and is no longer wanted goes last. Ours are known by their comment in ufw's own list of rules,
// whose lines ("tuples") are the same however a rule was spelled.
#include "exposure/firewall/render_parts.hpp"

namespace clawql::exposure::firewall::parts {
namespace {

constexpr std::string_view kFunctions =
    // 636c6177716c is "clawql".
    "rules() { cat /etc/ufw/user.rules /etc/ufw/user6.rules | sed -n 's/^### tuple ### \\(.*\\) "
    "comment=636c6177716c$/\\1/p'; }\n"
    "has() { rules | grep -qxF -- \"$1\"; }\n"
    "delete() {\n"
    "  echo \"$1\" | {\n"
    "    read -r action proto port to _ from way\n"
    "    on=\n"
    "    [ \"$way\" = in ] || on=\"in on ${way#in_}\"\n"
    "    ufw delete $action $on from \"$from\" to \"$to\" port \"$port\" proto \"$proto\"\n"
    "  }\n"
    "}\n"
    "delete_others() {\n"
    "  rules | while read -r rule; do printf '%s\\n' \"$wanted\" | grep -qxF -- \"$rule\" || delete \"$rule\"; done\n"
    "}\n";

struct UfwRule {
  std::string action, interface, from, to;
};

UfwRule rule(const Target& target, std::string_view action, const std::string& interface, const std::string& source) {
  // "any" would mean both families.
  const std::string any = target.family == Family::ipv6 ? "::/0" : "0.0.0.0/0";
  return {std::string(action), interface, source.empty() ? any : source, target.address.empty() ? any : target.address};
}

std::string command(const Target& target, const UfwRule& rule) {
  return "ufw prepend " + rule.action + (rule.interface.empty() ? "" : " in on " + rule.interface) + " from " +
         rule.from + " to " + rule.to + " port " + port_of(target) + " proto " + protocol_of(target) +
         " comment 'clawql'\n";
}

// As ufw writes it into its files.
std::string tuple(const Target& target, const UfwRule& rule) {
  return rule.action + " " + protocol_of(target) + " " + port_of(target) + " " + rule.to + " any " + rule.from + " in" +
         (rule.interface.empty() ? "" : "_" + rule.interface);
}

std::vector<UfwRule> allows_of(const Target& target) {
  std::vector<UfwRule> out;
  if (target.nobody) return out;
  const std::vector<std::string> any{""};
  for (const std::string& interface : target.interfaces.empty() ? any : target.interfaces)
    for (const std::string& source : target.sources.empty() ? any : target.sources)
      out.push_back(rule(target, "allow", interface, source));
  return out;
}

}  // namespace

std::string ufw(const std::vector<Listener>& listeners) {
  // Prepended in reverse, so that the first target's rules come out first.
  const std::vector<Target> targets = targets_of(listeners);
  std::string wanted, commands;
  for (auto target = targets.rbegin(); target != targets.rend(); ++target) {
    const UfwRule deny = rule(*target, "deny", "", "");
    const std::vector<UfwRule> allows = allows_of(*target);
    // ufw leaves a rule where it is: where the deny is new, an allow that is there already would end up behind it.
    commands += "has " + quoted(tuple(*target, deny)) + " || {\n";
    for (const UfwRule& allow : allows)
      commands += "  has " + quoted(tuple(*target, allow)) + " && delete " + quoted(tuple(*target, allow)) + "\n";
    commands += "  " + command(*target, deny) + "}\n";
    wanted += tuple(*target, deny) + "\n";
    for (const UfwRule& allow : allows) {
      commands += command(*target, allow);
      wanted += tuple(*target, allow) + "\n";
    }
  }
  return "#!/bin/sh\n" + heading(listeners) +
         "# This host itself needs no rule: ufw accepts all of lo before its user rules.\n"
         "set -eu\n"
         "ufw status | grep -q '^Status: active' || { echo 'ufw is not active, so its rules would do nothing: ufw "
         "enable' "
         ">&2; exit 1; }\n" +
         std::string(kFunctions) + commands + "wanted=" + quoted(wanted) + "\ndelete_others\n";
}

std::string ufw_removal() {
  return "#!/bin/sh\nset -eu\n" + std::string(kFunctions) + "wanted=\ndelete_others\n";
}

}  // namespace clawql::exposure::firewall::parts
