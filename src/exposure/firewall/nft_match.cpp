#include "exposure/firewall/nft_match.hpp"

#include <algorithm>
#include <utility>

#include "exposure/firewall/nft_values.hpp"
#include "exposure/firewall/protocol.hpp"

namespace clawql::exposure::firewall::nft {
namespace {

using json::Kind;
using json::Value;

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

}  // namespace clawql::exposure::firewall::nft
