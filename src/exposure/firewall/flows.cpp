#include "exposure/firewall/flows.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include "exposure/firewall/topology.hpp"

namespace clawql::exposure::firewall {
namespace {

constexpr std::size_t kTidyUpTo = 256;  // flows; comparing them is quadratic

// One box for both, where they differ in at most one field; false otherwise.
bool join(Flow& into, const Flow& other) {
  if (into.address_kept != other.address_kept || into.port_kept != other.port_kept || into.let_in_by != other.let_in_by)
    return false;
  unsigned differences = 0;
  bool inside = true, outside = true;
  for (std::size_t i = 0; i < kFields; ++i) {
    const auto field = static_cast<Field>(i);
    if (into.box[field] == other.box[field]) continue;
    ++differences;
    inside = inside && into.box[field].contains(other.box[field]);
    outside = outside && other.box[field].contains(into.box[field]);
    if (differences > 1 && !inside && !outside) return false;
  }
  if (inside) return true;
  for (std::size_t i = 0; i < kFields; ++i) {
    const auto field = static_cast<Field>(i);
    into.box[field] = into.box[field].united(other.box[field]);
  }
  return true;
}

}  // namespace

IntervalSet only(State state) {
  return IntervalSet::of(static_cast<Number>(state));
}

void append(Flows& to, Flows&& from) {
  if (to.empty())
    to = std::move(from);
  else
    std::ranges::move(from, std::back_inserter(to));
}

Flows arriving(const Box& box, Family family, State state) {
  Flows out;
  const auto add = [&](const IntervalSet& in, const IntervalSet& sources, State at_first) {
    Box start = box;
    start[Field::in_interface] = start[Field::in_interface].intersected(in);
    start[Field::source] = start[Field::source].intersected(sources);
    start[Field::state] = only(at_first);
    start[Field::translated] = IntervalSet::of(0);
    start[Field::mark] = IntervalSet::of(0);
    if (!start.empty()) out.push_back({std::move(start), true, true, {}});
  };
  const IntervalSet& all = all_of(Field::in_interface, family);
  add(loopback_interface(), all_of(Field::source, family), state);
  add(all.without(loopback_interface()), sources_from_outside(family), State::invalid);
  return out;
}

void tidy(Flows& flows) {
  if (flows.size() < 2 || flows.size() > kTidyUpTo) return;
  for (bool changed = true; changed;) {
    changed = false;
    for (std::size_t i = 0; i < flows.size(); ++i)
      for (std::size_t j = i + 1; j < flows.size();) {
        if (join(flows[i], flows[j])) {
          flows.erase(flows.begin() + static_cast<std::ptrdiff_t>(j));
          changed = true;
        } else {
          ++j;
        }
      }
  }
}

}  // namespace clawql::exposure::firewall
