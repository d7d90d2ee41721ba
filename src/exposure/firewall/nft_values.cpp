#include "exposure/firewall/nft_values.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "exposure/firewall/alter.hpp"
#include "exposure/firewall/nft_text.hpp"
#include "exposure/firewall/protocol.hpp"

namespace clawql::exposure::firewall::nft {
namespace {

using json::Kind;
using json::Value;

std::optional<IntervalSet> number_set(Value value, Number limit) {
  const auto number = value.uint64();
  if (!number || *number > limit) return std::nullopt;
  return IntervalSet::of(*number);
}

std::optional<IntervalSet> interface_value(const std::string& name) {
  if (name.ends_with("\\*")) {
    // A name that ends with a star of its own.
    return interface_set(name.substr(0, name.size() - 2) + "*", false);
  }
  if (name.ends_with('*')) return interface_set(name.substr(0, name.size() - 1), true);
  return interface_set(name, false);
}

std::optional<IntervalSet> state_value(std::string_view name) {
  constexpr std::array<std::string_view, 5> kNames{"invalid", "new", "established", "related", "untracked"};
  const auto found = std::ranges::find(kNames, name);
  if (found == kNames.end()) return std::nullopt;
  return IntervalSet::of(static_cast<Number>(found - kNames.begin()));
}

std::optional<IntervalSet> named_value(const Key& key, const std::string& name, const Surroundings& around) {
  switch (key.kind) {
    case Key::Kind::interface: return interface_value(name);
    case Key::Kind::address: {
      const auto network = parse_network(name);
      if (!network || network->family != around.space.family) return std::nullopt;
      return IntervalSet(network->range.first, network->range.last);
    }
    case Key::Kind::protocol:
      if (const auto number = protocol_number(name)) return IntervalSet::of(*number);
      return std::nullopt;
    case Key::Kind::family:
      if (name == "ipv4" || name == "ip") return IntervalSet::of(2);
      if (name == "ipv6" || name == "ip6") return IntervalSet::of(10);
      return std::nullopt;
    case Key::Kind::ether_type:
      if (name == "ip") return IntervalSet::of(0x0800);
      if (name == "ip6") return IntervalSet::of(0x86dd);
      return name == "arp" || name == "vlan" ? std::optional(IntervalSet::of(1)) : std::nullopt;
    case Key::Kind::state: return state_value(name);
    case Key::Kind::status: return name == "dnat" ? std::optional(IntervalSet::of(1)) : std::nullopt;
    case Key::Kind::direction:
      if (name == "original") return IntervalSet::of(0);
      return name == "reply" ? std::optional(IntervalSet::of(1)) : std::nullopt;
    case Key::Kind::flags: return std::nullopt;
    case Key::Kind::address_type:
      if (name == "local" && around.topology.complete) return around.topology.local_addresses(around.space.family);
      if (name == "broadcast" && around.topology.complete)
        return around.topology.broadcast_addresses(around.space.family);
      if (name == "multicast") return multicast_addresses(around.space.family);
      return std::nullopt;
    case Key::Kind::packet_type:
      if (name == "host" || name == "unicast") return IntervalSet::of(0);
      return name == "broadcast" || name == "multicast" || name == "other" ? std::optional(IntervalSet::of(1))
                                                                           : std::nullopt;
    case Key::Kind::mark:
    case Key::Kind::port: return std::nullopt;
  }
  return std::nullopt;
}

// The box of one element; nullopt: not understood.
std::optional<Box> element_box(const Keys& keys, Value element, const Surroundings& around) {
  if (const Value wrapped = element.find("elem"); wrapped && wrapped.find("val"))
    return element_box(keys, wrapped.find("val"), around);
  Box box(around.space.family);
  const auto take = [&](const Key& key, Value value) {
    const auto values = part_value(key, value, around);
    if (!values) return false;
    if (key.field)
      box[*key.field] = box[*key.field].intersected(*values);
    else if (!values->contains(key.constant.value_or(0)))
      box[Field::state] = {};  // never
    return true;
  };
  const Value concat = element.find("concat");
  if (!concat) {
    if (keys.parts.size() != 1 || !take(keys.parts[0], element)) return std::nullopt;
    return box;
  }
  if (concat.size() != keys.parts.size()) return std::nullopt;
  std::size_t i = 0;
  for (const Value part : concat.elements())
    if (!take(keys.parts[i++], part)) return std::nullopt;
  return box;
}

void add_box(std::vector<Box>& boxes, const Keys& keys, Box box) {
  if (box.empty()) return;
  // One field alone: one box holds them all.
  if (keys.parts.size() == 1 && keys.parts[0].field && !boxes.empty()) {
    IntervalSet& all = boxes[0][*keys.parts[0].field];
    all = all.united(box[*keys.parts[0].field]);
    return;
  }
  boxes.push_back(std::move(box));
}

}  // namespace

std::optional<IntervalSet> part_value(const Key& key, Value value, const Surroundings& around) {
  if (const Value prefix = value.find("prefix")) {
    const auto network = parse_network(prefix.find("addr").string().value_or("") + "/" +
                                       std::to_string(prefix.find("len").uint64().value_or(999)));
    if (key.kind != Key::Kind::address || !network || network->family != around.space.family) return std::nullopt;
    return IntervalSet(network->range.first, network->range.last);
  }
  if (const Value range = value.find("range"); range.size() == 2) {
    auto at = range.elements().begin();
    const auto first = part_value(key, *at, around);
    const auto last = part_value(key, *++at, around);
    if (!first || !last || !first->is_single() || !last->is_single()) return std::nullopt;
    return IntervalSet(first->intervals()[0].first, last->intervals()[0].last);
  }
  if (value.is(Kind::number)) {
    if (key.kind == Key::Kind::port) return number_set(value, 65535);
    if (key.kind == Key::Kind::protocol) return number_set(value, 255);
    if (key.kind == Key::Kind::mark)
      if (const auto number = value.uint64(); number && *number <= 0xffffffffU)
        return marks_like(static_cast<std::uint32_t>(*number), key.mask);
    return std::nullopt;
  }
  const auto name = value.string();
  if (!name) return std::nullopt;
  return named_value(key, *name, around);
}

void add_values(Values& out, const Keys& keys, Value right, const Surroundings& around) {
  if (const auto name = right.string(); name && name->starts_with('@')) {
    const auto found = around.sets.find(name->substr(1));
    if (found == around.sets.end()) {
      out.unknown = "the set " + *name + " that is not there";
      return;
    }
    if (found->second.changes) {
      out.changes = true;
      out.unknown = "the set " + *name + ", which is filled at run time";
      return;
    }
    // The elements of a set refer to no other set.
    if (found->second.elements) add_values(out, keys, found->second.elements, around);
    return;
  }
  const Value set = right.find("set");
  const Value list = set ? set : right;
  if (set && !set.is(Kind::array)) return add_values(out, keys, set, around);
  if (!list.is(Kind::array)) {
    if (auto box = element_box(keys, list, around))
      add_box(out.boxes, keys, std::move(*box));
    else
      out.unknown = "the value " + text_of(list);
    return;
  }
  // Many elements of one field are gathered first: adding them one by one would be quadratic.
  std::vector<Interval> gathered;
  const bool single = keys.parts.size() == 1 && keys.parts[0].field;
  for (const Value element : list.elements()) {
    auto box = element_box(keys, element, around);
    if (!box) {
      out.unknown = "the value " + text_of(element);
    } else if (single) {
      const auto& intervals = (*box)[*keys.parts[0].field].intervals();
      gathered.insert(gathered.end(), intervals.begin(), intervals.end());
    } else {
      add_box(out.boxes, keys, std::move(*box));
    }
  }
  if (single && !gathered.empty())
    add_box(out.boxes, keys, Box(around.space.family).with(*keys.parts[0].field, IntervalSet::of(std::move(gathered))));
}

}  // namespace clawql::exposure::firewall::nft
