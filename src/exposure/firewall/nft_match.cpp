#include "exposure/firewall/nft_match.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "base/decimal.hpp"
#include "exposure/firewall/protocol.hpp"

namespace clawql::exposure::firewall::nft {
namespace {

using json::Kind;
using json::Value;

Keys one(const Key& key) {
  return {{key}, false, {}, false};
}
Keys never() {
  return {{}, true, {}, false};
}
Keys unknown(std::string what) {
  return {{}, false, std::move(what), false};
}
// Whoever sends the packet makes it so or not.
Keys senders_choice(std::string what) {
  return {{}, false, std::move(what), true};
}

Keys meta_key(std::string_view key, Space space) {
  if (key == "iifname" || key == "iif") return one({Key::Kind::interface, Field::in_interface, {}});
  if (key == "oifname" || key == "oif") return one({Key::Kind::interface, Field::out_interface, {}});
  if (key == "l4proto") return one({Key::Kind::protocol, {}, Number{space.protocol}});
  if (key == "nfproto") return one({Key::Kind::family, {}, Number{space.family == Family::ipv4 ? 2U : 10U}});
  if (key == "protocol")
    return one({Key::Kind::ether_type, {}, Number{space.family == Family::ipv4 ? 0x0800U : 0x86ddU}});
  if (key == "pkttype") return one({Key::Kind::packet_type, {}, Number{0}, false, space.protocol != kTcp});
  if (key == "mark") return one({Key::Kind::mark, Field::mark, {}});
  if (key == "length") return senders_choice("meta length");
  return unknown("meta " + std::string(key));
}

Keys address_key(std::string_view field, Family family, Space space) {
  if (family != space.family) return never();
  if (field == "saddr") return one({Key::Kind::address, Field::source, {}});
  if (field == "daddr") return one({Key::Kind::address, Field::destination, {}});
  if (field == "protocol") return one({Key::Kind::protocol, {}, Number{space.protocol}});
  if (field == "nexthdr") return one({Key::Kind::protocol, {}, Number{space.protocol}, false, true});
  if (field == "version") return unknown("ip version");
  return senders_choice((family == Family::ipv4 ? "ip " : "ip6 ") + std::string(field));
}

Keys payload_key(Value payload, Space space) {
  const std::string protocol = payload.find("protocol").string().value_or("");
  const std::string field = payload.find("field").string().value_or("");
  if (protocol.empty()) return unknown("a match on raw bytes");
  if (protocol == "ip") return address_key(field, Family::ipv4, space);
  if (protocol == "ip6") return address_key(field, Family::ipv6, space);
  if (protocol != "th") {
    const auto number = protocol_number(protocol);
    if (!number) return unknown(protocol + " " + field);
    if (*number != space.protocol) return never();
  }
  if (field == "dport") return one({Key::Kind::port, Field::destination_port, {}});
  if (field == "sport") return one({Key::Kind::port, Field::source_port, {}});
  if (field != "flags") return senders_choice(protocol + " " + field);
  if (field == "flags" && space.protocol == kTcp) return one({Key::Kind::flags, {}, Number{kSyn}, false, true});
  return unknown(protocol + " " + field);
}

Keys tracking_key(Value ct, Space space) {
  const std::string key = ct.find("key").string().value_or("");
  const std::string direction = ct.find("dir").string().value_or("");
  if (key == "state") return one({Key::Kind::state, Field::state, {}});
  if (key == "direction") return one({Key::Kind::direction, {}, Number{0}, true});
  if (key == "status") return one({Key::Kind::status, Field::translated, {}, true});
  if (key == "protocol") return one({Key::Kind::protocol, {}, Number{space.protocol}, true});
  if (key == "l3proto") return one({Key::Kind::family, {}, Number{space.family == Family::ipv4 ? 2U : 10U}, true});
  if (direction == "original") {
    const bool four = key.starts_with("ip ") || !key.starts_with("ip6 ");
    const bool named = key.starts_with("ip ") || key.starts_with("ip6 ");
    if (named && four != (space.family == Family::ipv4)) return never();
    if (key.ends_with("saddr")) return one({Key::Kind::address, Field::source, {}, true});
    if (key.ends_with("daddr")) return one({Key::Kind::address, Field::original_destination, {}, true});
    if (key == "proto-src") return one({Key::Kind::port, Field::source_port, {}, true});
    if (key == "proto-dst") return one({Key::Kind::port, Field::original_destination_port, {}, true});
  }
  return unknown("ct " + (direction.empty() ? key : direction + " " + key));
}

Keys fib_key(Value fib) {
  const Value flags = fib.find("flags");
  const bool of_destination =
      flags.equals("daddr") || (flags.size() == 1 && (*flags.elements().begin()).equals("daddr"));
  if (fib.find("result").equals("type") && of_destination)
    return one({Key::Kind::address_type, Field::destination, {}});
  return unknown("fib " + text_of(fib.find("flags")) + " " + text_of(fib.find("result")) +
                 " (the answer depends on the routes)");
}

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

// One part's value: a scalar, a prefix or a range. nullopt: not understood.
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

struct Values {
  std::vector<Box> boxes;
  std::string unknown;  // an element was not understood
  bool changes = false;
};

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

Condition uncertain(Family family, std::string why, bool either_way = false) {
  Condition out;
  out.either_way = either_way;
  out.may = {Box(family)};
  out.certain = false;
  out.unknown = std::move(why);
  return out;
}

// `tcp flags & (fin|syn|rst|ack) == syn` and its like: a packet that opens a connection has SYN and none of the rest.
std::optional<bool> flags_match(Value left, std::string_view operation, Value right) {
  const auto bits = [](Value value) -> std::optional<unsigned> {
    unsigned out = 0;
    const auto add = [&out](Value flag) {
      if (const auto number = flag.uint64()) {
        out |= static_cast<unsigned>(*number & 0xff);
        return true;
      }
      const auto bit = tcp_flag(flag.string().value_or(""));
      out |= bit.value_or(0);
      return bit.has_value();
    };
    const Value alternatives = value.find("|");
    const Value list = alternatives ? alternatives : value;
    if (!list.is(Kind::array)) return add(list) ? std::optional(out) : std::nullopt;
    for (const Value flag : list.elements())
      if (!add(flag)) return std::nullopt;
    return out;
  };
  unsigned mask = 0xff;
  if (const Value masked = left.find("&"); masked.size() == 2) {
    const auto given = bits(*++masked.elements().begin());
    if (!given) return std::nullopt;
    mask = *given;
  }
  const auto wanted = bits(right);
  if (!wanted) return std::nullopt;
  constexpr unsigned kFixed = kFin | kSyn | kRst | kAck;  // of a packet that opens a connection; the rest is free
  if (operation == "in") return (*wanted & ~kFixed) == 0 ? std::optional((*wanted & kSyn) != 0) : std::nullopt;
  // None of them.
  if (operation == "!") return (*wanted & ~kFixed) == 0 ? std::optional((*wanted & kSyn) == 0) : std::nullopt;
  if ((mask & ~kFixed) != 0) return std::nullopt;
  const bool equal = (kSyn & mask) == *wanted;
  if (operation == "==") return equal;
  if (operation == "!=") return !equal;
  return std::nullopt;
}

}  // namespace

Keys keys_of(Value left, const Surroundings& around) {
  if (const Value meta = left.find("meta")) return meta_key(meta.find("key").string().value_or(""), around.space);
  if (const Value payload = left.find("payload")) return payload_key(payload, around.space);
  if (const Value ct = left.find("ct")) return tracking_key(ct, around.space);
  if (const Value fib = left.find("fib")) return fib_key(fib);
  // Headers that a packet may have or not.
  if (left.find("exthdr") || left.find("tcp option") || left.find("ip option")) return senders_choice(text_of(left));
  if (const Value concat = left.find("concat")) {
    Keys out;
    for (const Value part : concat.elements()) {
      Keys inner = keys_of(part, around);
      if (inner.never) return never();
      if (!inner.unknown.empty() && out.unknown.empty()) out.unknown = inner.unknown;
      out.either_way = false;
      out.parts.insert(out.parts.end(), inner.parts.begin(), inner.parts.end());
    }
    return out;
  }
  if (const Value masked = left.find("&"); masked.size() == 2) {
    Keys inner = keys_of(*masked.elements().begin(), around);
    if (inner.never) return inner;
    if (inner.parts.size() == 1 && inner.parts[0].kind == Key::Kind::flags) return inner;
    const auto mask = (*++masked.elements().begin()).uint64();
    if (inner.parts.size() == 1 && inner.parts[0].kind == Key::Kind::mark && mask && *mask <= 0xffffffffU) {
      inner.parts[0].mask = static_cast<std::uint32_t>(*mask);
      return inner;
    }
    return unknown(text_of(left));
  }
  return unknown(text_of(left));
}

Condition condition_of(const Keys& keys, std::string_view operation, Value right, const Surroundings& around) {
  const Family family = around.space.family;
  if (keys.never) return {};
  if (!keys.unknown.empty() || keys.parts.empty()) return uncertain(family, keys.unknown, keys.either_way);
  const Key& first = keys.parts[0];
  if (first.kind == Key::Kind::flags) return uncertain(family, "tcp flags", true);

  Condition out;
  out.wants_tracking = std::ranges::any_of(keys.parts, &Key::wants_tracking);
  Values values;
  if (operation == "<" || operation == ">" || operation == "<=" || operation == ">=") {
    const auto limit = part_value(first, right, around);
    if (!limit || !limit->is_single() || !first.field || keys.parts.size() != 1)
      return uncertain(family, "a comparison");
    const Number value = limit->intervals()[0].first;
    const Interval all = all_of(*first.field, family).intervals()[0];
    IntervalSet range;
    if (operation == "<" && value > all.first) range = {all.first, value - 1};
    if (operation == "<=") range = {all.first, value};
    if (operation == ">" && value < all.last) range = {value + 1, all.last};
    if (operation == ">=") range = {value, all.last};
    if (!range.empty()) values.boxes = {Box(family).with(*first.field, std::move(range))};
  } else if (operation == "==" || operation == "!=" || operation == "in") {
    add_values(values, keys, right, around);
  } else {
    return uncertain(family, "the operator " + std::string(operation));
  }

  const bool negated = operation == "!=";
  const bool status_not_dnat = first.kind == Key::Kind::status && operation != "in";
  if (std::ranges::any_of(keys.parts, &Key::hidden)) values.unknown = "the sender decides";
  if (status_not_dnat) return uncertain(family, "ct status compared whole");
  if (values.unknown.empty()) {
    out.may = negated ? complement(values.boxes, family) : std::move(values.boxes);
    return out;
  }
  out.certain = false;
  out.unknown = values.unknown;
  const bool hidden = std::ranges::any_of(keys.parts, &Key::hidden);
  out.either_way = hidden;
  if (negated) {
    out.may = hidden ? std::vector{Box(family)} : complement(values.boxes, family);
  } else {
    out.may = {Box(family)};
    if (hidden)
      out.may = values.boxes;
    else
      out.must = std::move(values.boxes);
  }
  return out;
}

Condition condition_of_match(Value match, const Surroundings& around) {
  const Value left = match.find("left");
  const std::string operation = match.find("op").string().value_or("==");
  const Keys keys = keys_of(left, around);
  if (keys.parts.size() == 1 && keys.parts[0].kind == Key::Kind::flags && !keys.never)
    if (const auto matches = flags_match(left, operation, match.find("right"))) {
      Condition out;
      out.of_opening = true;
      if (*matches) out.may = {Box(around.space.family)};
      return out;
    }
  return condition_of(keys, operation, match.find("right"), around);
}

std::string text_of(Value value) {
  if (!value) return "?";
  if (const auto text = value.string()) return *text;
  if (value.is(Kind::array)) {
    std::string out;
    for (const Value element : value.elements()) {
      if (out.size() > 120) return out + ", ...";
      out += (out.empty() ? "" : ", ") + text_of(element);
    }
    return out;
  }
  if (!value.is(Kind::object)) return std::string(value.raw());
  if (const Value set = value.find("set")) return "{ " + text_of(set) + " }";
  if (const Value range = value.find("range"); range.size() == 2) {
    auto at = range.elements().begin();
    const std::string first = text_of(*at);
    return first + "-" + text_of(*++at);
  }
  if (const Value prefix = value.find("prefix"))
    return text_of(prefix.find("addr")) + "/" + text_of(prefix.find("len"));
  if (const Value meta = value.find("meta")) return text_of(meta.find("key"));
  if (const Value payload = value.find("payload")) {
    if (!payload.find("protocol")) return "raw bytes";
    return text_of(payload.find("protocol")) + " " + text_of(payload.find("field"));
  }
  if (const Value ct = value.find("ct"))
    return "ct " + (ct.find("dir") ? text_of(ct.find("dir")) + " " : "") + text_of(ct.find("key"));
  for (const auto& [key, member] : value.members()) {
    std::string name = key.string().value_or("");
    if (member.is(Kind::null)) return name;
    if (name == "&" && member.size() == 2) {
      auto at = member.elements().begin();
      const std::string first = text_of(*at);
      return first + " & " + text_of(*++at);
    }
    if (name == "elem" && member.find("val")) return text_of(member.find("val"));
    return name + " " + (member.is(Kind::object) ? "..." : text_of(member));
  }
  return "{}";
}

}  // namespace clawql::exposure::firewall::nft
