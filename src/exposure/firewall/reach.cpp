// How packets get to one listener: to the socket of this host, or on to a container.
#include <algorithm>
#include <utility>

#include "exposure/firewall/describe.hpp"
#include "exposure/firewall/evaluate.hpp"
#include "exposure/firewall/flows.hpp"
#include "exposure/firewall/iptables_reader.hpp"
#include "exposure/firewall/nft_reader.hpp"
#include "exposure/firewall/protocol.hpp"
#include "exposure/firewall/verify.hpp"

namespace clawql::exposure::firewall {
namespace {

bool translates(const RuleSet& rules) {
  return std::ranges::any_of(rules.bases, [&rules](const BaseChain& base) {
    return base.hook == Hook::prerouting && base.translates && !rules.chains.at(base.chain).rules.empty();
  });
}

IntervalSet loopback_addresses(Family family) {
  const Interval range = parse_network(family == Family::ipv4 ? "127.0.0.0/8" : "::1")->range;
  return IntervalSet(range.first, range.last);
}

class Reacher {
 public:
  Reacher(const Listener& listener, const RuleSet& rules, const Topology& topology)
      : listener_(listener),
        rules_(rules),
        topology_(topology),
        family_(rules.space.family),
        evaluator_(rules),
        later_(rules, State::established) {}

  Result<std::vector<Reach>> run() {
    Box start(family_);
    if (!translates(rules_)) {
      start[Field::destination] = socket_addresses();
      start[Field::destination_port] = IntervalSet::of(listener_.port);
    }
    CLAWQL_TRY(const Flows routed, evaluator_.prerouting(arriving(start, family_)));
    CLAWQL_TRY(later_routed_, later_.prerouting(arriving(start, family_, State::established)));
    std::vector<Reach> out;
    CLAWQL_CHECKED(add_input(routed, out));
    CLAWQL_CHECKED(add_forwards(routed, out));
    return out;
  }
  const Evaluator& evaluator() const { return evaluator_; }

 private:
  IntervalSet socket_addresses() const {
    if (listener_.address) return IntervalSet::of(listener_.address->value);
    if (!topology_.complete) return all_of(Field::destination, family_);
    // A UDP socket on any address gets what is sent to everybody, too.
    IntervalSet own = topology_.local_addresses(family_);
    if (listener_.protocol == kTcp) return own;
    return own.united(topology_.broadcast_addresses(family_)).united(multicast_addresses(family_));
  }

  // Whoever comes, comes whatever its mark was at the end.
  Flows finished(Flows flows) const {
    for (Flow& flow : flows) flow.box[Field::mark] = all_of(Field::mark, family_);
    tidy(flows);
    return flows;
  }

  // What routing and the socket itself refuse, whatever the rules say.
  Flows without_refused(const Flows& flows) const {
    Box martian(family_);
    martian[Field::destination] = loopback_addresses(family_);
    IntervalSet insiders = *interface_set("lo", false);
    if (family_ == Family::ipv4)
      for (const Topology::Link& link : topology_.links)
        if (link.route_localnet) insiders = insiders.united(*interface_set(link.name, false));
    martian[Field::in_interface] = martian[Field::in_interface].without(insiders);
    Flows out = without(flows, {martian});
    if (listener_.device.empty()) return out;
    const auto device = interface_set(listener_.device, false);
    Box bound(family_);
    bound[Field::in_interface] = device->united(*interface_set("lo", false));
    return intersected(out, {bound});
  }

  Status add_input(const Flows& routed, std::vector<Reach>& out) {
    Box socket(family_);
    socket[Field::destination] = socket_addresses();
    socket[Field::destination_port] = IntervalSet::of(listener_.port);
    CLAWQL_TRY(Flows flows, evaluator_.input(without_refused(intersected(routed, {socket}))));
    CLAWQL_TRY(Flows later, later_.input(without_refused(intersected(later_routed_, {socket}))));
    out.push_back({family_,
                   false,
                   endpoint(socket_addresses(), IntervalSet::of(listener_.port)),
                   finished(std::move(flows)),
                   finished(std::move(later)),
                   {},
                   {}});
    return {};
  }

  // Where packets to the listener's address and port are sent on to.
  std::vector<std::pair<IntervalSet, IntervalSet>> targets(const Flows& routed) const {
    std::vector<std::pair<IntervalSet, IntervalSet>> out;
    Box meant(family_);
    meant[Field::original_destination] = socket_addresses();
    meant[Field::original_destination_port] = IntervalSet::of(listener_.port);
    meant[Field::translated] = IntervalSet::of(1);
    for (const Flow& flow : intersected(routed, {meant})) {
      IntervalSet addresses = flow.box[Field::destination];
      // Without knowledge of this host's addresses, a target that is not the listener's own is somebody else's.
      addresses =
          addresses.without(topology_.complete ? topology_.local_addresses(family_) : loopback_addresses(family_));
      if (listener_.address) addresses = addresses.without(IntervalSet::of(listener_.address->value));
      std::pair target{std::move(addresses), flow.box[Field::destination_port]};
      if (!target.first.empty() && std::ranges::find(out, target) == out.end()) out.push_back(std::move(target));
    }
    return out;
  }

  Status add_forwards(const Flows& routed, std::vector<Reach>& out) {
    if (!(family_ == Family::ipv4 ? topology_.forwards4 : topology_.forwards6)) return {};
    for (const auto& [addresses, ports] : targets(routed)) {
      Box there(family_);
      there[Field::destination] = addresses;
      there[Field::destination_port] = ports;
      // What this host sends itself does not come through here.
      there[Field::in_interface] = there[Field::in_interface].without(*interface_set("lo", false));
      const auto interfaces = way_out(addresses);
      if (interfaces) there[Field::out_interface] = *interfaces;
      CLAWQL_TRY(Flows flows, evaluator_.forward(intersected(routed, {there})));
      CLAWQL_TRY(Flows later, later_.forward(intersected(later_routed_, {there})));
      out.push_back({family_,
                     true,
                     endpoint(addresses, ports),
                     finished(std::move(flows)),
                     finished(std::move(later)),
                     {},
                     interfaces.value_or(IntervalSet())});
    }
    return {};
  }

  // The interfaces whose own networks hold these addresses; nullopt where that is not known.
  std::optional<IntervalSet> way_out(const IntervalSet& addresses) const {
    IntervalSet names, networks;
    for (const Topology::Link& link : topology_.links)
      for (const auto& [address, length] : link.addresses) {
        if (address.family != family_) continue;
        const Interval range = prefix_range(address, length);
        if (!IntervalSet(range.first, range.last).overlaps(addresses)) continue;
        networks = networks.united(IntervalSet(range.first, range.last));
        names = names.united(*interface_set(link.name, false));
      }
    if (names.empty() || !networks.contains(addresses)) return std::nullopt;
    return names;
  }

  std::string endpoint(const IntervalSet& addresses, const IntervalSet& ports) const {
    std::string host = addresses == all_of(Field::destination, family_) ? "*" : networks_text(family_, addresses);
    if (!listener_.address && topology_.complete && addresses == socket_addresses()) host = "this host";
    if (family_ == Family::ipv6 && addresses.is_single()) host = "[" + host + "]";
    std::string port;
    for (const Interval& one : ports.intervals()) {
      port += (port.empty() ? "" : ",") + std::to_string(static_cast<unsigned>(one.first));
      if (one.last != one.first) port += "-" + std::to_string(static_cast<unsigned>(one.last));
    }
    return host + ":" + port;
  }

  const Listener& listener_;
  const RuleSet& rules_;
  const Topology& topology_;
  const Family family_;
  Evaluator evaluator_;
  Evaluator later_;
  Flows later_routed_;
};

}  // namespace

Result<RuleSet> read_rules(const RuleTexts& texts, const Topology& topology, Space space) {
  RuleSet rules(space);
  std::set<std::pair<std::string, std::string>> skipped;
  for (const RuleTexts::Save& save : texts.saves) {
    CLAWQL_TRY(const std::set<std::string> tables, iptables_tables(save.text));
    for (const std::string& table : tables) skipped.emplace(save.family == Family::ipv4 ? "ip" : "ip6", table);
    if (save.family != space.family) continue;
    CLAWQL_CHECKED(read_iptables(save.text, save.tool, topology, rules));
  }
  if (!texts.nft.empty()) CLAWQL_CHECKED(read_nft(texts.nft, topology, skipped, rules));
  return rules;
}

Result<std::vector<Reach>> reaches_of(const Listener& listener, const RuleSet& rules, const Topology& topology,
                                      std::set<std::pair<RuleId, std::string>>& doubts) {
  Reacher reacher(listener, rules, topology);
  CLAWQL_TRY(std::vector<Reach> reaches, reacher.run());
  for (Reach& reach : reaches) reach.lines = lines_of(reach.flows, reach.family);
  doubts.insert(reacher.evaluator().doubts().begin(), reacher.evaluator().doubts().end());
  return reaches;
}

}  // namespace clawql::exposure::firewall
