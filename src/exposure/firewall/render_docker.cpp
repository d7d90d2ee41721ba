// Docker with iptables: published ports never meet INPUT. DOCKER-USER is the first thing in FORWARD, behind DNAT, so
// the port that the client used is asked of conntrack; and packets that are routed to a container's own address, where
// nothing was translated, are stopped too. A port that is published on loopback alone has the same ways around it:
// older engines translate what a neighbour sends to 127.0.0.1, and let everybody to the container's own address.
#include "exposure/firewall/render_parts.hpp"

namespace clawql::exposure::firewall::parts {
namespace {

std::string rule(const Target& target, const std::string& interface, const std::string& source,
                 const std::string& verdict) {
  std::string out = "-A CLAWQL-DOCKER";
  if (!interface.empty()) out += " -i " + interface;
  if (!source.empty()) out += " -s " + source;
  out += " -p " + protocol_of(target) + " -m conntrack --ctorigdstport " + port_of(target);
  if (!target.address.empty()) out += " --ctorigdst " + target.address;
  return out + " --ctdir ORIGINAL -j " + verdict + "\n";
}

std::string family_script(const std::vector<Listener>& listeners, const RenderOptions& options, Family family) {
  std::string rules;
  const std::vector<std::string> any{""};
  bool some = false;
  for (const Target& target : targets_of(listeners, Loopback::taken)) {
    if (target.family != family) continue;
    some = true;
    if (!target.nobody)
      for (const std::string& interface : target.interfaces.empty() ? any : target.interfaces)
        for (const std::string& source : target.sources.empty() ? any : target.sources)
          rules += rule(target, interface, source, "RETURN");
    rules += rule(target, "", "", "DROP");
  }
  if (some) {
    rules += "-A CLAWQL-DOCKER -m conntrack --ctstate RELATED,ESTABLISHED -j RETURN\n";
    // Within a bridge; between bridges Docker itself decides.
    for (const std::string& bridge : options.bridges)
      rules += "-A CLAWQL-DOCKER -i " + bridge + " -o " + bridge + " -j RETURN\n";
    for (const std::string& bridge : options.bridges)
      rules += "-A CLAWQL-DOCKER -o " + bridge + " -m conntrack ! --ctstate DNAT -j DROP\n";
  }
  const std::string tool = family == Family::ipv4 ? "iptables" : "ip6tables";
  const std::string base = tool + " --wait 10 -t filter";
  // Docker makes DOCKER-USER for IPv6 only when it has IPv6 itself; a chain that is there already is taken as it is.
  return tool + "-restore --wait 10 --noflush <<'RULES'\n*filter\n:CLAWQL-DOCKER - [0:0]\n" + rules +
         "COMMIT\nRULES\n" + base + " -S DOCKER-USER >/dev/null 2>&1 || " + base + " -N DOCKER-USER\n" + base +
         " -C DOCKER-USER -j CLAWQL-DOCKER 2>/dev/null || " + base + " -I DOCKER-USER 1 -j CLAWQL-DOCKER\n" + base +
         " -C FORWARD -j DOCKER-USER 2>/dev/null || " + base + " -I FORWARD 1 -j DOCKER-USER\n";
}

}  // namespace

std::string docker(const std::vector<Listener>& listeners, const RenderOptions& options) {
  return "#!/bin/sh\n" + heading(listeners) + "set -eu\n" + family_script(listeners, options, Family::ipv4) +
         family_script(listeners, options, Family::ipv6);
}

std::string docker_removal() {
  return "#!/bin/sh\nset -u\nfailed=0\n"
         "for tool in iptables ip6tables; do\n"
         "  while $tool --wait 10 -D DOCKER-USER -j CLAWQL-DOCKER 2>/dev/null; do :; done\n"
         "  $tool --wait 10 -S CLAWQL-DOCKER >/dev/null 2>&1 || continue\n"
         "  $tool --wait 10 -F CLAWQL-DOCKER && $tool --wait 10 -X CLAWQL-DOCKER || failed=1\n"
         "done\nexit \"$failed\"\n";
}

}  // namespace clawql::exposure::firewall::parts
