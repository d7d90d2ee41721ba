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

constexpr std::string_view kFunctions =
    "cmd=${FIREWALL_CMD:-firewall-cmd}\n"
    "zones=$($cmd --get-zones)\n"
    "zone_of() { $cmd --get-zone-of-interface=\"$1\" 2>/dev/null || $cmd --get-default-zone; }\n"
    "wanted=\n"
    "drop_old() {\n"
    "  for when in '' --permanent; do\n"
    "    for zone in $zones; do\n"
    "      $cmd $when --zone=\"$zone\" --list-rich-rules | grep -E 'priority=\"-(31000|30999)\"' | while read -r rule; "
    "do\n"
    "        printf '%s' \"$wanted\" | grep -qxF -- \"$zone $rule\" || $cmd --quiet $when --zone=\"$zone\" "
    "--remove-rich-rule=\"$rule\"\n"
    "      done || :\n"
    "    done\n"
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
         "add() {\n"
         "  rules=\"$rules --add-rich-rule='$1'\"\n"
         "  wanted=\"$wanted$zone $1\n\"\n"
         "}\n"
         "for zone in $zones; do\n"
         "  rules=\n" +
         denies + allows +
         "  # Now, and after a restart.\n"
         "  [ -z \"$rules\" ] || eval \"$cmd --quiet --zone=$zone $rules\"\n"
         "  [ -z \"$rules\" ] || eval \"$cmd --quiet --permanent --zone=$zone $rules\"\n"
         "done\n"
         "drop_old\n";
}

std::string firewalld_removal() {
  return "#!/bin/sh\nset -eu\n" + std::string(kFunctions) + "drop_old\n";
}

}  // namespace clawql::exposure::firewall::parts
