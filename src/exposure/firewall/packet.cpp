#include "exposure/firewall/packet.hpp"

#include <algorithm>
#include <utility>

namespace clawql::exposure::firewall {
namespace {

constexpr std::array<Field, kFields> kAllFields{Field::in_interface,
                                                Field::out_interface,
                                                Field::source,
                                                Field::source_port,
                                                Field::destination,
                                                Field::destination_port,
                                                Field::state,
                                                Field::translated,
                                                Field::original_destination,
                                                Field::original_destination_port,
                                                Field::mark};

// Where a flow keeps a field.
Field kept_in(const Flow& flow, Field field) {
  if (field == Field::original_destination && flow.address_kept) return Field::destination;
  if (field == Field::original_destination_port && flow.port_kept) return Field::destination_port;
  return field;
}

}  // namespace

const IntervalSet& all_of(Field field, Family family) {
  static const IntervalSet names(0, ~Number{0});
  static const IntervalSet addresses4(0, 0xffffffffU);
  static const IntervalSet ports(0, 65535);
  static const IntervalSet states(0, 4);
  static const IntervalSet flag(0, 1);
  static const IntervalSet marks(0, 0xffffffffU);
  switch (field) {
    case Field::in_interface:
    case Field::out_interface: return names;
    case Field::source:
    case Field::destination:
    case Field::original_destination: return family == Family::ipv4 ? addresses4 : names;
    case Field::source_port:
    case Field::destination_port:
    case Field::original_destination_port: return ports;
    case Field::state: return states;
    case Field::translated: return flag;
    case Field::mark: return marks;
  }
  return names;
}

Box::Box(Family family) {
  for (const Field field : kAllFields) (*this)[field] = all_of(field, family);
}

Box Box::with(Field field, IntervalSet values) const {
  Box out = *this;
  out[field] = std::move(values);
  return out;
}

bool Box::empty() const {
  return std::ranges::any_of(values_, [](const IntervalSet& values) { return values.empty(); });
}

std::optional<Box> Box::intersected(const Box& other) const {
  for (std::size_t i = 0; i < kFields; ++i)
    if (!values_[i].overlaps(other.values_[i])) return std::nullopt;
  Box out = *this;
  for (std::size_t i = 0; i < kFields; ++i) out.values_[i] = values_[i].intersected(other.values_[i]);
  return out;
}

std::optional<Flow> intersected(const Flow& flow, const Box& box) {
  for (const Field field : kAllFields)
    if (!flow.box[kept_in(flow, field)].overlaps(box[field])) return std::nullopt;
  Flow out = flow;
  for (const Field field : kAllFields) {
    IntervalSet& values = out.box[kept_in(flow, field)];
    if (box[field].contains(values)) continue;
    values = values.intersected(box[field]);
    if (values.empty()) return std::nullopt;  // destination and original destination are one field of this flow
  }
  return out;
}

Flows without(const Flow& flow, const Box& box) {
  for (const Field field : kAllFields)
    if (!flow.box[kept_in(flow, field)].overlaps(box[field])) return {flow};
  Flows out;
  Flow rest = flow;  // what is in the box by all fields looked at so far
  for (const Field field : kAllFields) {
    IntervalSet& values = rest.box[kept_in(flow, field)];
    if (box[field].contains(values)) continue;
    Flow outside = rest;
    outside.box[kept_in(flow, field)] = values.without(box[field]);
    out.push_back(std::move(outside));
    values = values.intersected(box[field]);
    if (values.empty()) break;
  }
  return out;
}

Flows intersected(const Flows& flows, const std::vector<Box>& boxes) {
  Flows out;
  for (const Flow& flow : flows)
    for (const Box& box : boxes)
      if (auto common = intersected(flow, box)) out.push_back(std::move(*common));
  return out;
}

Flows without(const Flows& flows, const std::vector<Box>& boxes) {
  Flows rest = flows;
  for (const Box& box : boxes) {
    Flows next;
    for (const Flow& flow : rest) {
      Flows pieces = without(flow, box);
      std::ranges::move(pieces, std::back_inserter(next));
    }
    rest = std::move(next);
  }
  return rest;
}

std::vector<Box> complement(const std::vector<Box>& boxes, Family family) {
  // Translated and original fields are different fields here: a condition is about both.
  const Flows rest = without(Flows{Flow{Box(family), false, false, {}}}, boxes);
  std::vector<Box> out;
  out.reserve(rest.size());
  for (const Flow& flow : rest) out.push_back(flow.box);
  return out;
}

}  // namespace clawql::exposure::firewall
