// Rules that carry packets past a listener, found in what `nft -j list ruleset` and `iptables-save` print. Pure
// parsers: a text that ends halfway is an error, never "no rules". What the rules let through is the firewall room's
// work; here only rules count that change where a packet goes.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "exposure/ports/findings.hpp"

namespace clawql::exposure::ports {

struct Diversions {
  std::vector<Finding> findings;
  bool foreign = false;  // rules of iptables' matches and targets, which nft's JSON does not spell out
};

Result<Diversions> diversions_of_nft(std::string_view json);
// `tool`: "iptables" or "ip6tables", for the subject.
Result<Diversions> diversions_of_iptables(std::string_view save, std::string_view tool);

// Of tailscaled's serve-config (LocalAPI): one finding a port.
Result<std::vector<Finding>> served_by_tailscale(std::string_view json);

// "docker tcp *:8080": one subject for the rule and for docker-proxy's listener of the same published port.
std::string docker_subject(std::string_view protocol, std::string_view address, std::string_view port);

}  // namespace clawql::exposure::ports
