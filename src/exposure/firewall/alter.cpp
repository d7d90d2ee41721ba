#include "exposure/firewall/alter.hpp"

#include <bit>
#include <utility>

#include "exposure/firewall/flows.hpp"

namespace clawql::exposure::firewall {
namespace {

void translate_one(Flow flow, const std::optional<IntervalSet>& address, const std::optional<IntervalSet>& port,
                   Flows& out) {
  // From here on the destination and the original one may part.
  if (address) {
    if (flow.address_kept) flow.box[Field::original_destination] = flow.box[Field::destination];
    flow.address_kept = false;
    flow.box[Field::destination] = *address;
  }
  if (port) {
    if (flow.port_kept) flow.box[Field::original_destination_port] = flow.box[Field::destination_port];
    flow.port_kept = false;
    flow.box[Field::destination_port] = *port;
  }
  flow.box[Field::translated] = IntervalSet::of(1);
  out.push_back(std::move(flow));
}

// Packets that are sent to the new destination already are not translated, and conntrack does not call them so.
void translate_all(const Flows& flows, Family family, const std::optional<IntervalSet>& address,
                   const std::optional<IntervalSet>& port, Flows& out) {
  Box same(family);
  if (address) same[Field::destination] = *address;
  if (port) same[Field::destination_port] = *port;
  append(out, intersected(flows, std::vector<Box>{same}));
  // Where there is a choice of destinations, even those may get another one.
  const bool certain = (!address || address->is_single()) && (!port || port->is_single());
  for (const Flow& flow : certain ? without(flows, std::vector<Box>{same}) : flows)
    translate_one(flow, address, port, out);
}

}  // namespace

Flows translated(const Flows& flows, const Translation& translation, Family family) {
  Flows out;
  if (translation.redirections.empty()) translate_all(flows, family, translation.address, translation.port, out);
  for (const auto& [interfaces, sent_to, address] : translation.redirections)
    translate_all(
        intersected(flows, {Box(family).with(Field::in_interface, interfaces).with(Field::destination, sent_to)}),
        family, address, translation.port, out);
  return out;
}

IntervalSet marked(const IntervalSet& before, const SetMark& change) {
  const IntervalSet& all = all_of(Field::mark, Family::ipv4);
  if (!change.bits) return all;
  const auto [cleared, flipped] = *change.bits;
  if (cleared == ~std::uint32_t{0}) return IntervalSet::of(flipped);
  if (!before.is_single()) return all;
  return IntervalSet::of((static_cast<std::uint32_t>(before.intervals()[0].first) & ~cleared) ^ flipped);
}

std::optional<IntervalSet> marks_like(std::uint32_t value, std::uint32_t mask) {
  if ((value & ~mask) != 0) return IntervalSet();
  if (mask == 0) return all_of(Field::mark, Family::ipv4);
  // Free bits below the lowest fixed one make one interval; each way to set those above makes another.
  const std::uint32_t low = (mask & (~mask + 1)) - 1;
  const std::uint32_t high = ~mask & ~low;
  if (std::popcount(high) > 12) return std::nullopt;
  std::vector<Interval> pieces;
  pieces.reserve(std::size_t{1} << std::popcount(high));
  std::uint32_t above = 0;
  do {
    pieces.push_back({value | above, value | above | low});
    above = (above - high) & high;  // the next subset
  } while (above != 0);
  return IntervalSet::of(std::move(pieces));
}

}  // namespace clawql::exposure::firewall
