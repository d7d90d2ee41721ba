// firewalld: rich rules. Their priorities mark them as ours and put them before everything else that a zone opens. The
// zone is what knows an interface, so the allow goes to the zone of the interface and the deny to every zone.
#include <algorithm>
#include <iterator>

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

// Each firewall-cmd takes a good part of a second, so all rules of a zone go into one.
constexpr std::string_view kFunctions =
    "cmd=${FIREWALL_CMD:-firewall-cmd}\n"
    "zones=$($cmd --get-zones)\n"
    "zone_of() { $cmd --get-zone-of-interface=\"$1\" 2>/dev/null || $cmd --get-default-zone; }\n"
    "wanted=\n"
    "# \"ZONE RULE\" lines of what we made\n"
    "ours() {\n"
    "  $cmd ${1:-} --list-all-zones | awk '/^[^ \\t]/ { zone = $1 }\n"
    "    /^[ \\t]+rule .*priority=\"-(31000|30999)\"/ { sub(/^[ \\t]+/, \"\"); print zone, $0 }'\n"
    "}\n"
    "# for_each_zone WHEN OPTION LINES: one command for all rules of a zone\n"
    "for_each_zone() {\n"
    "  for zone in $zones; do\n"
    "    rules=$(printf '%s' \"$3\" | sed -n \"s/^$zone \\\\(rule .*\\\\)/$2='\\\\1'/p\" | tr '\\n' ' ')\n"
    "    [ -z \"$rules\" ] || eval \"$cmd --quiet $1 --zone=$zone $rules\"\n"
    "  done\n"
    "}\n"
    "without() { printf '%s' \"$1\" | grep -vxF -- \"$2\" || :; }\n"
    "drop_old() {\n"
    "  for when in '' --permanent; do\n"
    "    for_each_zone \"$when\" --remove-rich-rule \"$(without \"$(ours $when)\" \"$wanted\")\n\"\n"
    "  done\n"
    "}\n";

}  // namespace

std::string firewalld(const std::vector<Listener>& listeners) {
  std::string zones, denies, allows;
  std::vector<std::string> interfaces;  // their zones are asked for once
  const std::string indent = "  ";
  const auto add = [&](std::string& to, const std::string& condition, const std::string& text) {
    to += indent + condition + "add " + quoted(text) + "\n";
  };
  for (const Target& target : targets_of(listeners)) {
    add(denies, "", rule(target, "", false));
    if (target.nobody) continue;
    const std::vector<std::string> any{""};
    for (const std::string& source : target.sources.empty() ? any : target.sources) {
      if (target.interfaces.empty()) add(allows, "", rule(target, source, true));
      for (const std::string& interface : target.interfaces) {
        auto known = std::ranges::find(interfaces, interface);
        if (known == interfaces.end()) {
          interfaces.push_back(interface);
          known = std::prev(interfaces.end());
          zones += "zone" + std::to_string(known - interfaces.begin()) + "=$(zone_of " + quoted(interface) + ")\n";
        }
        add(allows, "[ \"$zone\" != \"$zone" + std::to_string(known - interfaces.begin()) + "\" ] || ",
            rule(target, source, true));
      }
    }
  }
  return "#!/bin/sh\n" + heading(listeners) +
         "# This host itself needs no rule: firewalld accepts all of lo before its zones. A zone is all that firewalld "
         "knows\n"
         "# of an interface: where other interfaces are in the same zone, they are let in too.\n"
         "set -eu\n" +
         std::string(kFunctions) + zones +
         "add() { wanted=\"$wanted$zone $1\n\"; }\n"
         "for zone in $zones; do\n" +
         (denies + allows).append(denies.empty() ? "  :\n" : "") +
         "done\n"
         "# Now, and after a restart.\n"
         "for when in '' --permanent; do\n"
         "  for_each_zone \"$when\" --add-rich-rule \"$(without \"$wanted\" \"$(ours $when)\")\n\"\n"
         "done\n"
         "drop_old\n";
}

std::string firewalld_removal() {
  return "#!/bin/sh\nset -eu\n" + std::string(kFunctions) + "drop_old\n";
}

}  // namespace clawql::exposure::firewall::parts
