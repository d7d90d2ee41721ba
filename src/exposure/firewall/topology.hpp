// The host's links and addresses, and what its kernel makes of them, whatever the rules say.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "exposure/firewall/address.hpp"
#include "exposure/firewall/packet.hpp"
#include "exposure/firewall/rules.hpp"

namespace clawql::exposure::firewall {

// What is known of the host beside its rules.
struct Topology {
  struct Link {
    std::string name;
    std::vector<std::pair<Address, unsigned>> addresses;  // with prefix length
    bool route_localnet = false;
  };
  std::vector<Link> links;
  bool complete = false;  // false: offline, nothing is known but what the listeners say
  bool forwards4 = true, forwards6 = true;

  IntervalSet local_addresses(Family family) const;
  // Those that every host of a link listens to; IPv6 has none.
  IntervalSet broadcast_addresses(Family family) const;
  // Where REDIRECT leads.
  std::vector<Translation::Redirection> redirections(Family family) const;
};

IntervalSet multicast_addresses(Family family);
// The sources that packets from outside can have.
IntervalSet sources_from_outside(Family family);

// The name of lo.
IntervalSet loopback_interface();

}  // namespace clawql::exposure::firewall
