#include "exposure/firewall/topology.hpp"

#include <utility>
#include <vector>

namespace clawql::exposure::firewall {

IntervalSet loopback_interface() {
  static const IntervalSet name = *interface_set("lo", false);
  return name;
}

IntervalSet Topology::local_addresses(Family family) const {
  IntervalSet out =
      IntervalSet::of({family == Family::ipv4 ? parse_network("127.0.0.0/8")->range : parse_network("::1")->range});
  for (const Link& link : links)
    for (const auto& [address, length] : link.addresses)
      if (address.family == family) out = out.united(IntervalSet::of(address.value));
  return out;
}

IntervalSet Topology::broadcast_addresses(Family family) const {
  if (family == Family::ipv6) return {};
  IntervalSet out = IntervalSet::of({{0xffffffffU, 0xffffffffU}, {0x7fffffffU, 0x7fffffffU}});
  for (const Link& link : links)
    for (const auto& [address, length] : link.addresses)
      if (address.family == family && length < 31)
        out = out.united(IntervalSet::of(prefix_range(address, length).last));
  return out;
}

IntervalSet multicast_addresses(Family family) {
  const Interval range = parse_network(family == Family::ipv4 ? "224.0.0.0/4" : "ff00::/8")->range;
  return {range.first, range.last};
}

IntervalSet sources_from_outside(Family family) {
  std::vector<Interval> never;
  never.reserve(4);
  const auto texts = family == Family::ipv4
                         ? std::vector<const char*>{"0.0.0.0/8", "127.0.0.0/8", "224.0.0.0/4", "255.255.255.255"}
                         : std::vector<const char*>{"::", "::1", "ff00::/8"};
  never.reserve(texts.size());
  for (const char* text : texts) never.push_back(parse_network(text)->range);
  return all_of(Field::source, family).without(IntervalSet::of(std::move(never)));
}

std::vector<std::pair<IntervalSet, IntervalSet>> Topology::redirect_addresses(Family family) const {
  std::vector<std::pair<IntervalSet, IntervalSet>> out;
  IntervalSet others = all_of(Field::in_interface, family);
  for (const Link& link : links) {
    IntervalSet addresses, global;
    for (const auto& [address, length] : link.addresses) {
      if (address.family != family) continue;
      const bool link_local = family == Family::ipv6 && address.value >> 118 == 0x3fa;  // fe80::/10
      // IPv4: the first one. IPv6: global ones before others.
      if (family == Family::ipv6 || addresses.empty()) addresses = addresses.united(IntervalSet::of(address.value));
      if (!link_local) global = global.united(IntervalSet::of(address.value));
    }
    const auto name = interface_set(link.name, false);
    if (!name) continue;
    others = others.without(*name);
    // Without an address the packet is dropped; to nowhere is the same.
    if (!addresses.empty()) out.emplace_back(*name, family == Family::ipv6 && !global.empty() ? global : addresses);
  }
  out.emplace_back(others, complete ? local_addresses(family) : all_of(Field::destination, family));
  return out;
}

}  // namespace clawql::exposure::firewall
