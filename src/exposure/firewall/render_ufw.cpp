// ufw: its own commands. The first match wins, so the deny is put in front of everything and the allows in front of it;
// what we made earlier and is no longer wanted goes last. Rules are written as `ufw show added` writes them, which is
// how ours are found again.
#include "exposure/firewall/render_parts.hpp"

namespace clawql::exposure::firewall::parts {
namespace {

constexpr std::string_view kComment = " comment 'clawql'";

// One rule in the words of `ufw show added`.
std::string rule(const Target& target, std::string_view action, const std::string& interface,
                 const std::string& source) {
  std::string out(action);
  if (!interface.empty()) out += " in on " + interface;
  const bool six = target.family == Family::ipv6;
  // "any" would mean both families.
  const std::string any = six ? "::/0" : "0.0.0.0/0";
  const std::string from = source.empty() ? any : source;
  const std::string to = target.address.empty() ? any : target.address;
  return out + " from " + from + " to " + to + " port " + port_of(target) + " proto " + protocol_of(target);
}

std::vector<std::string> allows_of(const Target& target) {
  std::vector<std::string> out;
  if (target.nobody) return out;
  const std::vector<std::string> any{""};
  for (const std::string& interface : target.interfaces.empty() ? any : target.interfaces)
    for (const std::string& source : target.sources.empty() ? any : target.sources)
      out.push_back(rule(target, "allow", interface, source));
  return out;
}

// Our rules that are there and not in $1 are deleted. `ufw show added` is read first: deleting changes it.
constexpr std::string_view kDropOld =
    "ours=$(ufw show added | sed -n \"s/^ufw \\(.*\\) comment 'clawql'\\$/\\1/p\")\n"
    "printf '%s\\n' \"$ours\" | while read -r rule; do\n"
    "  [ -n \"$rule\" ] || continue\n"
    "  printf '%s\\n' \"$wanted\" | grep -qxF -- \"$rule\" || ufw delete $rule\n"
    "done\n";

}  // namespace

std::string ufw(const std::vector<Listener>& listeners) {
  // Prepended in reverse, so that the first target's rules come out first.
  const std::vector<Target> targets = targets_of(listeners);
  std::string wanted, commands;
  for (auto target = targets.rbegin(); target != targets.rend(); ++target) {
    const std::string deny = rule(*target, "deny", "", "");
    wanted += deny + "\n";
    commands += "ufw prepend " + deny + std::string(kComment) + "\n";
    for (const std::string& allow : allows_of(*target)) {
      wanted += allow + "\n";
      commands += "ufw prepend " + allow + std::string(kComment) + "\n";
    }
  }
  return "#!/bin/sh\n" + heading(listeners) +
         "# This host itself needs no rule: ufw accepts all of lo before its user rules.\n"
         "set -eu\n" +
         commands + "wanted=" + quoted(wanted) + "\n" + std::string(kDropOld);
}

std::string ufw_removal() {
  return "#!/bin/sh\nset -eu\nwanted=\n" + std::string(kDropOld);
}

}  // namespace clawql::exposure::firewall::parts
