#include "exposure/firewall/describe.hpp"

#include <algorithm>

#include "exposure/firewall/address.hpp"
#include "exposure/firewall/flows.hpp"
#include "exposure/firewall/topology.hpp"

namespace clawql::exposure::firewall {
namespace {

constexpr std::size_t kRefineUpTo = 48;  // flows; beyond, the lines are right but may be more than needed

IntervalSet only_lo() {
  return *interface_set("lo", false);
}

bool covered(const Flow& flow, const Flows& by) {
  Flows rest{flow};
  for (const Flow& one : by) {
    rest = without(rest, {one.box});
    if (rest.empty()) return true;
  }
  return rest.empty();
}

void widen(Flows& flows) {
  for (Flow& flow : flows)
    for (const Field field : {Field::in_interface, Field::source, Field::source_port})
      for (const Flow& other : Flows(flows)) {
        if (flow.box[field].contains(other.box[field])) continue;
        Flow wider = flow;
        wider.box[field] = wider.box[field].united(other.box[field]);
        if (covered(wider, flows)) flow = std::move(wider);
      }
}

void leave_out_covered(Flows& flows) {
  for (std::size_t i = 0; i < flows.size();) {
    Flows others = flows;
    others.erase(others.begin() + static_cast<std::ptrdiff_t>(i));
    if (covered(flows[i], others))
      flows = std::move(others);
    else
      ++i;
  }
}

// Makes each flow as wide as the whole set allows and leaves out those that the others cover; where that saves no line,
// the flows stay as narrow as they were.
void refine(Flows& flows) {
  if (flows.size() < 2 || flows.size() > kRefineUpTo) return;
  leave_out_covered(flows);
  Flows wide = flows;
  widen(wide);
  leave_out_covered(wide);
  if (wide.size() < flows.size()) flows = std::move(wide);
}

std::string sources_text(const IntervalSet& sources, Family family) {
  const IntervalSet outside = sources_from_outside(family);
  if (sources.contains(outside)) return "anywhere";
  const IntervalSet missing = outside.without(sources);
  std::string out;
  const bool as_rest = missing.intervals().size() < sources.intervals().size();
  for (const Interval& one : (as_rest ? missing : sources).intervals()) {
    if (out.size() > 400) return out + ", …";
    out += (out.empty() ? "" : ", ") + network_text(family, one);
  }
  return as_rest ? "anywhere but " + out : out;
}

std::string by_text(const IntervalSet& interfaces) {
  const IntervalSet all = all_of(Field::in_interface, Family::ipv4);
  if (all.without(interfaces).without(only_lo()).empty()) return "any interface";
  // That lo is missing goes without saying.
  if (interfaces.intervals().back().last == all.intervals()[0].last)
    return interfaces_text(interfaces.united(only_lo()));
  return interfaces_text(interfaces);
}

std::string ports_text(const IntervalSet& ports) {
  std::string out;
  for (const Interval& one : ports.intervals()) {
    out += (out.empty() ? "" : ", ") + std::to_string(static_cast<unsigned>(one.first));
    if (one.last != one.first) out += "-" + std::to_string(static_cast<unsigned>(one.last));
  }
  return out;
}

}  // namespace

std::vector<std::string> lines_of(const Flows& flows, Family family) {
  bool from_host = false;
  Flows shown;
  for (const Flow& flow : flows) {
    Flow one{Box(family), true, true, {}};
    const IntervalSet& interfaces = flow.box[Field::in_interface];
    if (interfaces.overlaps(only_lo())) from_host = true;
    one.box[Field::in_interface] = interfaces.without(only_lo());
    one.box[Field::source] = flow.box[Field::source];
    one.box[Field::source_port] = flow.box[Field::source_port];
    if (!flow.port_kept) one.box[Field::destination_port] = flow.box[Field::original_destination_port];
    if (!one.box.empty()) shown.push_back(std::move(one));
  }
  tidy(shown);
  refine(shown);
  std::vector<std::string> out;
  if (from_host) out.emplace_back("from this host");
  for (const Flow& flow : shown) {
    std::string line =
        "from " + sources_text(flow.box[Field::source], family) + " by " + by_text(flow.box[Field::in_interface]);
    if (flow.box[Field::source_port] != all_of(Field::source_port, family))
      line += " from port " + ports_text(flow.box[Field::source_port]);
    if (flow.box[Field::destination_port] != all_of(Field::destination_port, family))
      line += " sent to port " + ports_text(flow.box[Field::destination_port]);
    out.push_back(std::move(line));
  }
  std::ranges::sort(out.begin() + (from_host ? 1 : 0), out.end());
  return out;
}

}  // namespace clawql::exposure::firewall
