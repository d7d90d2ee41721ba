// nftables: one table of our own, replaced in one transaction, before the host's own chains. Accepting here does not
// override a later chain that drops; dropping here is final.
#include "exposure/firewall/render_parts.hpp"

namespace clawql::exposure::firewall::parts {
namespace {

constexpr std::string_view kTable = "inet clawql_gateway";

std::string set_of(const std::vector<std::string>& values, bool quote) {
  std::string out;
  for (const std::string& value : values) out += (out.empty() ? "" : ", ") + (quote ? "\"" + value + "\"" : value);
  return values.size() == 1 ? out : "{ " + out + " }";
}

std::string destination(const Target& target) {
  const std::string family = target.family == Family::ipv4 ? "ip" : "ip6";
  const std::string where = target.address.empty()
                                ? "meta nfproto " + std::string(target.family == Family::ipv4 ? "ipv4" : "ipv6")
                                : family + " daddr " + target.address;
  return where + " " + protocol_of(target) + " dport " + port_of(target);
}

std::string rules_of(const Target& target) {
  const std::string indent = "    ";
  const std::string to = destination(target);
  const std::string family = target.family == Family::ipv4 ? "ip" : "ip6";
  std::string out = indent + "# " + target.listener->name() + "\n";
  if (is_vpn(target)) {
    std::vector<std::string> inside = target.interfaces;
    inside.insert(inside.begin(), "lo");
    out += indent + family + " daddr " + target.address + " iifname != " + set_of(inside, true) +
           " counter drop comment \"around the VPN\"\n";
  }
  out += indent + "iifname \"lo\" " + to + " accept\n";
  if (!target.nobody) {
    out += indent;
    if (!target.interfaces.empty()) out += "iifname " + set_of(target.interfaces, true) + " ";
    if (!target.sources.empty()) out += family + " saddr " + set_of(target.sources, false) + " ";
    out += to + " accept\n";
  }
  return out + indent + to + " counter drop\n";
}

}  // namespace

std::string nftables(const std::vector<Listener>& listeners) {
  // Declared, deleted and made anew in one transaction: the old rules or the new ones at every moment.
  std::string out = heading(listeners);
  out += "table " + std::string(kTable) + "\ndelete table " + std::string(kTable) + "\ntable " + std::string(kTable) +
         " {\n";
  if (wants_loopback_guard(listeners))
    out +=
        "  chain loopback_guard {\n"
        "    # With route_localnet=1 a neighbour could reach 127.0.0.1.\n"
        "    type filter hook prerouting priority raw; policy accept;\n"
        "    iifname != \"lo\" ip daddr 127.0.0.0/8 counter drop\n"
        "  }\n";
  out +=
      "  chain input {\n"
      "    type filter hook input priority -10; policy accept;\n";
  for (const Target& target : targets_of(listeners)) out += rules_of(target);
  return out + "  }\n}\n";
}

std::string nftables_removal() {
  return "table " + std::string(kTable) + "\ndelete table " + std::string(kTable) + "\n";
}

}  // namespace clawql::exposure::firewall::parts
