#include "exposure/firewall/offline.hpp"

namespace clawql::exposure::firewall {

Result<std::string> ufw_as_save(std::string_view user_rules, Family family, bool denies) {
  const std::string prefix = family == Family::ipv4 ? "ufw" : "ufw6";
  const std::string chain = prefix + "-user-input";
  const auto filter = user_rules.find("*filter\n");
  if (filter == std::string_view::npos || user_rules.find(":" + chain + " ") == std::string_view::npos)
    return fail("this is not ufw's user" + std::string(family == Family::ipv4 ? "" : "6") + ".rules: it has no chain " +
                chain);
  // ufw-before-input, as it is shipped, accepts lo, what is established, answers of DHCP, mDNS and UPnP; what the
  // user's rules leave over meets the default.
  const std::string before = "*filter\n:INPUT " + std::string(denies ? "DROP" : "ACCEPT") + " [0:0]\n";
  std::string out = before + std::string(user_rules.substr(filter + 8));
  const std::string open =
      family == Family::ipv4
          ? "-A INPUT -p udp --sport 67 --dport 68 -j ACCEPT\n-A INPUT -d 224.0.0.251/32 -p udp --dport 5353 -j "
            "ACCEPT\n"
            "-A INPUT -d 239.255.255.250/32 -p udp --dport 1900 -j ACCEPT\n"
          : "-A INPUT -s fe80::/10 -d fe80::/10 -p udp --sport 547 --dport 546 -j ACCEPT\n"
            "-A INPUT -d ff02::fb/128 -p udp --dport 5353 -j ACCEPT\n-A INPUT -d ff02::f/128 -p udp --dport 1900 -j "
            "ACCEPT\n";
  const std::string lead = "-A INPUT -i lo -j ACCEPT\n-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n" +
                           open + "-A INPUT -j " + chain + "\n";
  const auto commit = out.find("\nCOMMIT");
  if (commit == std::string::npos) return fail("ufw's rules have no COMMIT: the file is cut");
  out.insert(commit + 1, lead);
  return out;
}

}  // namespace clawql::exposure::firewall
