// Addresses, networks and interface names as numbers, and back.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "exposure/firewall/packet.hpp"

namespace clawql::exposure::firewall {

struct Address {
  Family family;
  Number value;
};
// "192.0.2.1" or "2001:db8::1". A scope ("%eth0") is refused.
std::optional<Address> parse_address(std::string_view text);

struct Network {
  Family family;
  Interval range;
};
// An address, "a/24", "a/255.255.255.0" (contiguous masks alone) or "a-b". Bits behind the prefix are cleared.
std::optional<Network> parse_network(std::string_view text);
Interval prefix_range(Address address, unsigned length);

std::string address_text(Family family, Number value);
// The fewest networks that make up the interval; one "a-b" where they would be more than three.
std::string network_text(Family family, const Interval& range);
// "192.0.2.0/24, 198.51.100.7"; "anywhere" for all.
std::string networks_text(Family family, const IntervalSet& set);

// The name's bytes, left-aligned: names that begin alike are neighbours. At most 15 bytes, as the kernel has it.
std::optional<Number> interface_number(std::string_view name);
// "eth0", or with `wildcard` all names that begin with it.
std::optional<IntervalSet> interface_set(std::string_view name, bool wildcard);
std::string interfaces_text(const IntervalSet& set);

}  // namespace clawql::exposure::firewall
