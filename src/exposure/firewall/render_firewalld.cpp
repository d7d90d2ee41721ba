// firewalld: rich rules. Their priorities mark them as ours and put them before everything else that a zone opens. The
// zone is what knows an interface, so the allow goes to the zone of the interface and the deny to every zone.
#include "exposure/firewall/render_parts.hpp"

namespace clawql::exposure::firewall::parts {
namespace {

// A rule in the words of `firewall-cmd --list-rich-rules`.
std::string rule(const Target& target, const std::string& source, bool accept) {
  std::string out = std::string("rule priority=\"") + (accept ? "-31000" : "-30999") + "\" family=\"" +
                    (target.family == Family::ipv4 ? "ipv4" : "ipv6") + "\"";
  if (!source.empty()) out += " source address=\"" + source + "\"";
  if (!target.address.empty()) out += " destination address=\"" + target.address + "\"";
  return out + " port port=\"" + port_of(target) + "\" protocol=\"" + protocol_of(target) + "\" " +
         (accept ? "accept" : "drop");
}

constexpr std::string_view kFunctions =
    "cmd=${FIREWALL_CMD:-firewall-cmd}\n"
    "zones=$($cmd --get-zones)\n"
    "zone_of() { $cmd --get-zone-of-interface=\"$1\" 2>/dev/null || $cmd --get-default-zone; }\n"
    "wanted=\n"
    "# both ZONE RULE: now and after a restart\n"
    "both() {\n"
    "  $cmd --quiet --zone=\"$1\" --add-rich-rule=\"$2\"\n"
    "  $cmd --quiet --permanent --zone=\"$1\" --add-rich-rule=\"$2\"\n"
    "  wanted=\"$wanted$1 $2\n\"\n"
    "}\n"
    "deny() { for zone in $zones; do both \"$zone\" \"$1\"; done; }\n"
    "allow() { both \"$(zone_of \"$1\")\" \"$2\"; }\n"
    "allow_everywhere() { for zone in $zones; do both \"$zone\" \"$1\"; done; }\n"
    "drop_old() {\n"
    "  for when in '' --permanent; do\n"
    "    for zone in $zones; do\n"
    "      $cmd $when --zone=\"$zone\" --list-rich-rules | grep -E 'priority=\"-(31000|30999)\"' | while read -r rule; "
    "do\n"
    "        printf '%s' \"$wanted\" | grep -qxF -- \"$zone $rule\" || $cmd --quiet $when --zone=\"$zone\" "
    "--remove-rich-rule=\"$rule\"\n"
    "      done\n"
    "    done\n"
    "  done\n"
    "}\n";

}  // namespace

std::string firewalld(const std::vector<Listener>& listeners) {
  std::string out = "#!/bin/sh\n" + heading(listeners) +
                    "# This host itself needs no rule: firewalld accepts all of lo before its zones.\n"
                    "set -eu\n" +
                    std::string(kFunctions);
  for (const Target& target : targets_of(listeners)) {
    if (!target.nobody) {
      const std::vector<std::string> any{""};
      for (const std::string& source : target.sources.empty() ? any : target.sources) {
        if (target.interfaces.empty()) out += "allow_everywhere " + quoted(rule(target, source, true)) + "\n";
        for (const std::string& interface : target.interfaces)
          out += "allow " + quoted(interface) + " " + quoted(rule(target, source, true)) + "\n";
      }
    }
    out += "deny " + quoted(rule(target, "", false)) + "\n";
  }
  return out + "drop_old\n";
}

std::string firewalld_removal() {
  return "#!/bin/sh\nset -eu\n" + std::string(kFunctions) + "drop_old\n";
}

}  // namespace clawql::exposure::firewall::parts
