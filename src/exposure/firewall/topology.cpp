#include "exposure/firewall/topology.hpp"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

namespace clawql::exposure::firewall {
namespace {

enum class Scope : std::uint8_t { link, site, global };

// Destinations of this scope. Of multicast ones the scope stands in the second byte's lower half (RFC 4291
// section 2.7).
IntervalSet sent_to(Scope scope) {
  if (scope == Scope::global)
    return all_of(Field::destination, Family::ipv6).without(sent_to(Scope::link)).without(sent_to(Scope::site));
  std::vector<Interval> out{parse_network(scope == Scope::link ? "fe80::/10" : "fec0::/10")->range};
  for (Number flags = 0; flags < 16; ++flags) {
    const Number first = (Number{0xff00} | flags << 4 | (scope == Scope::link ? 2U : 5U)) << 112;
    out.push_back({first, first | ((Number{1} << 112) - 1)});
  }
  return IntervalSet::of(std::move(out));
}

// The link's addresses that a redirected packet can get: of link or site scope only where it was sent to that scope;
// else the widest that there are (Linux since 6.7 and its stable releases: nf_nat_redirect_ipv6).
void redirect_by_scope(const Topology::Link& link, const IntervalSet& name,
                       std::vector<Translation::Redirection>& out) {
  std::array<IntervalSet, 3> addresses;
  for (const auto& [address, length] : link.addresses) {
    if (address.family != Family::ipv6) continue;
    auto scope = Scope::global;
    for (const Scope narrow : {Scope::link, Scope::site})
      if (sent_to(narrow).contains(address.value)) scope = narrow;
    IntervalSet& those = addresses[static_cast<std::size_t>(scope)];
    those = those.united(IntervalSet::of(address.value));
  }
  const auto add = [&](Scope scope, const IntervalSet& to) {
    if (!to.empty()) out.push_back({name, sent_to(scope), to});
  };
  add(Scope::link, addresses[0]);
  add(Scope::site, addresses[1]);
  add(Scope::global, !addresses[2].empty() ? addresses[2] : !addresses[1].empty() ? addresses[1] : addresses[0]);
}

}  // namespace

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

std::vector<Translation::Redirection> Topology::redirections(Family family) const {
  std::vector<Translation::Redirection> out;
  IntervalSet others = all_of(Field::in_interface, family);
  for (const Link& link : links) {
    const auto name = interface_set(link.name, false);
    if (!name) continue;
    others = others.without(*name);
    if (family == Family::ipv6) {
      redirect_by_scope(link, *name, out);
      continue;
    }
    const auto address = std::ranges::find(link.addresses, family, [](const auto& one) { return one.first.family; });
    // Without an address the packet is dropped; to nowhere is the same.
    if (address != link.addresses.end())
      out.push_back({*name, all_of(Field::destination, family), IntervalSet::of(address->first.value)});
  }
  out.push_back({others, all_of(Field::destination, family),
                 complete ? local_addresses(family) : all_of(Field::destination, family)});
  return out;
}

}  // namespace clawql::exposure::firewall
