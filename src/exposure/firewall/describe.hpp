// A set of packets in words, in the fewest lines.
#pragma once

#include <string>
#include <vector>

#include "exposure/firewall/packet.hpp"

namespace clawql::exposure::firewall {

// "from 100.64.0.5 by tailscale0", one line each; what comes from this host itself is "from this host", first.
std::vector<std::string> lines_of(const Flows& flows, Family family);

}  // namespace clawql::exposure::firewall
