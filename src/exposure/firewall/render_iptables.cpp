// iptables and ip6tables: chains of our own. Each is filled by one iptables-restore (atomic for its table) before
// INPUT leads to it, so no moment is wider than the old or the new rules.
#include "exposure/firewall/render_parts.hpp"

namespace clawql::exposure::firewall::parts {
namespace {

std::string rule(const Target& target, const std::string& interface, const std::string& source,
                 const std::string& verdict) {
  std::string out = "-A CLAWQL-INPUT";
  if (!interface.empty()) out += " -i " + interface;
  if (!source.empty()) out += " -s " + source;
  if (!target.address.empty()) out += " -d " + target.address;
  return out + " -p " + protocol_of(target) + " --dport " + port_of(target) + " -j " + verdict + "\n";
}

std::string rules_of(const Target& target) {
  std::string out;
  out += rule(target, "lo", "", "ACCEPT");
  const std::vector<std::string> any{""};
  if (!target.nobody)
    for (const std::string& interface : target.interfaces.empty() ? any : target.interfaces)
      for (const std::string& source : target.sources.empty() ? any : target.sources)
        out += rule(target, interface, source, "ACCEPT");
  return out + rule(target, "", "", "DROP");
}

// What comes to a VPN's address around the VPN. A chain of its own, which lo and the VPN leave again.
std::string strong_host(const Target& target) {
  if (!is_vpn(target)) return {};
  const std::string to = " -d " + target.address;
  if (target.interfaces.size() == 1) return "-A CLAWQL-VPN ! -i " + target.interfaces[0] + to + " -j DROP\n";
  std::string out;
  for (const std::string& interface : target.interfaces)
    out.append("-A CLAWQL-VPN -i ").append(interface).append(to).append(" -j RETURN\n");
  return out + "-A CLAWQL-VPN" + to + " -j DROP\n";
}

std::string family_script(const std::vector<Listener>& listeners, Family family) {
  std::string filter;
  std::string strong;
  for (const Target& target : targets_of(listeners))
    if (target.family == family) {
      filter += rules_of(target);
      strong += strong_host(target);
    }
  if (!strong.empty()) {
    strong = "-A CLAWQL-VPN -i lo -j RETURN\n" + strong;
    filter = "-A CLAWQL-INPUT -j CLAWQL-VPN\n" + filter;
  }
  const std::string tool = family == Family::ipv4 ? "iptables" : "ip6tables";
  std::string out = tool +
                    "-restore --wait 10 --noflush <<'RULES'\n*filter\n:CLAWQL-INPUT - [0:0]\n:CLAWQL-VPN - [0:0]\n" +
                    filter + strong + "COMMIT\n";
  const bool guard = family == Family::ipv4 && wants_loopback_guard(listeners);
  if (family == Family::ipv4)
    out += std::string("*raw\n:CLAWQL-PREROUTING - [0:0]\n") +
           (guard ? "-A CLAWQL-PREROUTING ! -i lo -d 127.0.0.0/8 -j DROP\n" : "") + "COMMIT\n";
  out += "RULES\n";
  const auto lead = [&](const std::string& table, const std::string& from, const std::string& to) {
    const std::string base = tool + " --wait 10 -t " + table;
    out += base + " -C " + from + " -j " + to + " 2>/dev/null || " + base + " -I " + from + " 1 -j " + to + "\n";
  };
  lead("filter", "INPUT", "CLAWQL-INPUT");
  if (family == Family::ipv4) lead("raw", "PREROUTING", "CLAWQL-PREROUTING");
  return out;
}

}  // namespace

std::string iptables(const std::vector<Listener>& listeners) {
  return "#!/bin/sh\n" + heading(listeners) + "set -eu\n" + family_script(listeners, Family::ipv4) +
         family_script(listeners, Family::ipv6);
}

std::string iptables_removal() {
  std::string out =
      "#!/bin/sh\nset -u\nfailed=0\n"
      "# away TOOL TABLE FROM CHAIN: where it is there at all\n"
      "away() {\n"
      "  while \"$1\" --wait 10 -t \"$2\" -D \"$3\" -j \"$4\" 2>/dev/null; do :; done\n"
      "  \"$1\" --wait 10 -t \"$2\" -S \"$4\" >/dev/null 2>&1 || return 0\n"
      "  \"$1\" --wait 10 -t \"$2\" -F \"$4\" && \"$1\" --wait 10 -t \"$2\" -X \"$4\" || failed=1\n"
      "}\n";
  out +=
      "away iptables filter INPUT CLAWQL-INPUT\naway ip6tables filter INPUT CLAWQL-INPUT\n"
      "away iptables filter INPUT CLAWQL-VPN\naway ip6tables filter INPUT CLAWQL-VPN\n"
      "away iptables raw PREROUTING CLAWQL-PREROUTING\nexit \"$failed\"\n";
  return out;
}

}  // namespace clawql::exposure::firewall::parts
