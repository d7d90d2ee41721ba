// Sets of packets: unions of boxes, a box being one set of values for each field. A family (IPv4 or IPv6) and a
// protocol are fixed for a whole computation, so they are no fields.
//
// A *flow* is a box of packets on their way: after DNAT its destination is the new one, and what it was before stands
// in the "original" fields, where conntrack still sees it. Until then the two are the same thing, and a flow says so
// instead of holding them twice (a box could not say "equal").
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "exposure/firewall/interval_set.hpp"

namespace clawql::exposure::firewall {

enum class Field : std::uint8_t {
  in_interface,  // its name's bytes, see interface_number()
  out_interface,
  source,
  source_port,
  destination,
  destination_port,
  state,       // State
  translated,  // 1: DNAT or REDIRECT changed the destination
  original_destination,
  original_destination_port,
  mark,  // the packet's own, which rules set and ask for
};
inline constexpr std::size_t kFields = 11;

enum class State : std::uint8_t { invalid, fresh, established, related, untracked };  // fresh: what the rules call NEW

enum class Family : std::uint8_t { ipv4, ipv6 };

struct Space {
  Family family = Family::ipv4;
  std::uint8_t protocol = 6;
  bool operator==(const Space&) const = default;
};

// Every value of a field.
const IntervalSet& all_of(Field field, Family family);

class Box {
 public:
  // Everything.
  explicit Box(Family family);
  const IntervalSet& operator[](Field field) const { return values_[static_cast<std::size_t>(field)]; }
  IntervalSet& operator[](Field field) { return values_[static_cast<std::size_t>(field)]; }
  Box with(Field field, IntervalSet values) const;
  bool empty() const;
  std::optional<Box> intersected(const Box& other) const;
  bool operator==(const Box&) const = default;

 private:
  std::array<IntervalSet, kFields> values_;
};

using RuleId = std::uint32_t;

struct Flow {
  Box box;
  bool address_kept = true;  // the original destination is the destination
  bool port_kept = true;
  std::vector<RuleId> let_in_by;  // what accepted it so far, one of each base chain
};
using Flows = std::vector<Flow>;

// The part of the flow that is in the box; nullopt when there is none.
std::optional<Flow> intersected(const Flow& flow, const Box& box);
// The rest: disjoint flows.
Flows without(const Flow& flow, const Box& box);
Flows intersected(const Flows& flows, const std::vector<Box>& boxes);  // boxes must be disjoint
Flows without(const Flows& flows, const std::vector<Box>& boxes);
// The rest of `boxes`, as disjoint boxes.
std::vector<Box> complement(const std::vector<Box>& boxes, Family family);

}  // namespace clawql::exposure::firewall
