#include "exposure/firewall/evaluate.hpp"

#include <algorithm>
#include <bit>
#include <iterator>
#include <utility>

namespace clawql::exposure::firewall {
namespace {

constexpr unsigned kMaxDepth = 32;            // the kernel allows 16 jumps
constexpr std::size_t kMaxWork = 40'000'000;  // flows looked at
constexpr std::size_t kMaxFlows = 200'000;
constexpr std::size_t kTidyUpTo = 256;  // flows; comparing them is quadratic
constexpr int kTrackingPriority = -200;
constexpr int kTranslationPriority = -100;  // where the kernel does NAT, whatever a nat chain says

IntervalSet only(State state) {
  return IntervalSet::of(static_cast<Number>(state));
}

void append(Flows& to, Flows&& from) {
  if (to.empty())
    to = std::move(from);
  else
    std::ranges::move(from, std::back_inserter(to));
}

bool decides(const Rule& rule) {
  return std::ranges::any_of(rule.statements, [](const Statement& statement) {
    if (const auto* verdict = std::get_if<Verdict>(&statement)) return verdict->kind != VerdictKind::next_rule;
    return !std::holds_alternative<Condition>(statement);
  });
}

IntervalSet loopback() {
  static const IntervalSet name = *interface_set("lo", false);
  return name;
}

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

Flows translated(const Flows& flows, const Translation& translation, Family family) {
  Flows out;
  if (translation.address_by_interface.empty())
    translate_all(flows, family, translation.address, translation.port, out);
  for (const auto& [interfaces, address] : translation.address_by_interface)
    translate_all(intersected(flows, {Box(family).with(Field::in_interface, interfaces)}), family, address,
                  translation.port, out);
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

// By priority; those of equal priority in the order in which they were listed.
std::vector<const BaseChain*> bases_of(const RuleSet& rules, Hook hook, bool translating) {
  std::multimap<int, const BaseChain*> sorted;
  for (const BaseChain& base : rules.bases)
    if (base.hook == hook && base.translates == translating) sorted.emplace(base.priority, &base);
  std::vector<const BaseChain*> out;
  for (const auto& [priority, base] : sorted) out.push_back(base);
  return out;
}

}  // namespace

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

std::vector<std::pair<IntervalSet, IntervalSet>> Topology::redirect_addresses(Family family) const {
  std::vector<std::pair<IntervalSet, IntervalSet>> out;
  IntervalSet others = all_of(Field::in_interface, family);
  for (const Link& link : links) {
    IntervalSet addresses, global;
    for (const auto& [address, length] : link.addresses) {
      if (address.family != family) continue;
      const bool link_local = family == Family::ipv6 && address.value >> 118 == 0x3fa;  // fe80::/10
      // IPv4: the first one. IPv6: global ones before others.
      if (family == Family::ipv6 || addresses.empty()) addresses = addresses.united(IntervalSet::of(address.value));
      if (!link_local) global = global.united(IntervalSet::of(address.value));
    }
    const auto name = interface_set(link.name, false);
    if (!name) continue;
    others = others.without(*name);
    // Without an address the packet is dropped; to nowhere is the same.
    if (!addresses.empty()) out.emplace_back(*name, family == Family::ipv6 && !global.empty() ? global : addresses);
  }
  out.emplace_back(others, complete ? local_addresses(family) : all_of(Field::destination, family));
  return out;
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
  add(loopback(), all_of(Field::source, family), state);
  add(all.without(loopback()), sources_from_outside(family), State::invalid);
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

// A chain on its way.
struct Evaluator::Walk {
  Outcome out;
  Flows next;  // what goes on to the next rule
};

Status Evaluator::spend(std::size_t flows) {
  spent_ += flows + 1;
  if (spent_ > kMaxWork || flows > kMaxFlows)
    return fail("the rule set is too complex to be computed whole (more than " + std::to_string(kMaxWork) + " steps)");
  return {};
}

void Evaluator::select(const Rule& rule, const Condition& condition, Flows& inside, Flows& skipped) {
  if (condition.wants_tracking) {
    // Packets before conntrack, invalid and untracked ones have no connection to ask.
    const Box tracked =
        Box(rules_.space.family)
            .with(Field::state, IntervalSet(static_cast<Number>(State::fresh), static_cast<Number>(State::related)));
    append(skipped, without(inside, {tracked}));
    inside = intersected(inside, {tracked});
  }
  if (condition.of_opening && state_ != State::fresh) {
    append(skipped, Flows(inside));
    return;
  }
  Flows matched = intersected(inside, condition.may);
  if (matched.empty()) {
    append(skipped, std::move(inside));
    inside.clear();
    return;
  }
  if (!condition.certain && !condition.either_way) doubts_.emplace(rule.id, condition.unknown);
  append(skipped, without(inside, condition.certain ? condition.may : condition.must));
  inside = std::move(matched);
}

Status Evaluator::decide(const Rule& rule, const Verdict& verdict, Flows flows, Walk& walk, unsigned depth) {
  if (flows.empty()) return {};
  switch (verdict.kind) {
    case VerdictKind::next_rule: append(walk.next, std::move(flows)); return {};
    case VerdictKind::drop: return {};
    case VerdictKind::leave: append(walk.out.rest, std::move(flows)); return {};
    case VerdictKind::may_accept: append(walk.next, Flows(flows)); [[fallthrough]];
    case VerdictKind::accept:
      for (Flow& flow : flows) flow.let_in_by.push_back(rule.id);
      append(walk.out.accepted, std::move(flows));
      return {};
    case VerdictKind::jump:
    case VerdictKind::go_to: {
      CLAWQL_TRY(Outcome inner, this->walk(verdict.chain, std::move(flows), depth + 1));
      append(walk.out.accepted, std::move(inner.accepted));
      append(walk.out.translated, std::move(inner.translated));
      append(verdict.kind == VerdictKind::jump ? walk.next : walk.out.rest, std::move(inner.rest));
      return {};
    }
  }
  return {};
}

Status Evaluator::run_rule(const Rule& rule, Walk& walk, unsigned depth) {
  Flows inside = std::move(walk.next);
  walk.next.clear();
  for (const Statement& statement : rule.statements) {
    if (inside.empty()) return {};
    CLAWQL_CHECKED(spend(inside.size()));
    if (const auto* condition = std::get_if<Condition>(&statement)) {
      select(rule, *condition, inside, walk.next);
    } else if (const auto* verdict = std::get_if<Verdict>(&statement)) {
      if (verdict->kind == VerdictKind::next_rule) continue;
      return decide(rule, *verdict, std::move(inside), walk, depth);
    } else if (const auto* map = std::get_if<VerdictMap>(&statement)) {
      for (const auto& [key, verdict_of_entry] : map->entries) {
        Flows rest;
        select(rule, key, inside, rest);
        CLAWQL_CHECKED(decide(rule, verdict_of_entry, std::move(inside), walk, depth));
        inside = std::move(rest);
      }
      append(walk.next, std::move(inside));
      return {};
    } else if (const auto* translation = std::get_if<Translation>(&statement)) {
      inside = translated(inside, *translation, rules_.space.family);
      for (Flow& flow : inside) flow.let_in_by.push_back(rule.id);
      append(walk.out.translated, std::move(inside));
      return {};
    } else if (const auto* mark = std::get_if<SetMark>(&statement)) {
      for (Flow& flow : inside) flow.box[Field::mark] = marked(flow.box[Field::mark], *mark);
    } else {
      for (Flow& flow : inside) flow.box[Field::state] = only(State::untracked);
    }
  }
  append(walk.next, std::move(inside));
  return {};
}

Result<Evaluator::Outcome> Evaluator::walk(const std::string& chain, Flows flows, unsigned depth) {
  if (depth > kMaxDepth) return fail("the rules jump more than " + std::to_string(kMaxDepth) + " chains deep");
  const auto found = rules_.chains.find(chain);
  if (found == rules_.chains.end()) return fail("the rules jump to a chain that is not there: " + chain);
  Walk walk;
  walk.next = std::move(flows);
  for (const Rule& rule : found->second.rules) {
    if (walk.next.empty()) break;
    if (!decides(rule)) continue;
    CLAWQL_CHECKED(run_rule(rule, walk, depth));
    CLAWQL_CHECKED(spend(walk.next.size()));
    tidy(walk.next);
  }
  append(walk.out.rest, std::move(walk.next));
  tidy(walk.out.rest);
  return std::move(walk.out);
}

Result<Flows> Evaluator::through_one(const BaseChain& base, const Flows& flows, Flows* translated) {
  CLAWQL_TRY(Outcome out, walk(base.chain, flows, 0));
  if (translated) append(*translated, std::move(out.translated));
  if (!base.drops) {
    for (Flow& flow : out.rest) flow.let_in_by.push_back(base.policy);
    append(out.accepted, std::move(out.rest));
  }
  // Accepting in a nat chain only means "not translated by this chain": it lets nobody in.
  if (base.translates)
    for (Flow& flow : out.accepted) flow.let_in_by.pop_back();
  return std::move(out.accepted);
}

Result<Flows> Evaluator::through(Hook hook, const Flows& flows) {
  Flows rest = flows;
  for (const BaseChain* base : bases_of(rules_, hook, false)) {
    CLAWQL_TRY(rest, through_one(*base, rest, nullptr));
  }
  return rest;
}

Result<Flows> Evaluator::translate(const Flows& flows) {
  // What this host sent to itself was translated (or not) in its output hook; untracked packets never are.
  Box eligible(rules_.space.family);
  eligible[Field::in_interface] = eligible[Field::in_interface].without(loopback());
  eligible[Field::state] = only(state_);
  Flows out = without(flows, {eligible});
  Flows rest = intersected(flows, {eligible});
  // Only the packet that opens a connection meets these chains; the later ones go the way that it was given.
  for (Flow& flow : rest) flow.box[Field::state] = only(State::fresh);
  Flows decided;
  for (const BaseChain* base : bases_of(rules_, Hook::prerouting, true)) {
    CLAWQL_TRY(Flows accepted, through_one(*base, rest, &decided));
    rest = std::move(accepted);
  }
  append(decided, std::move(rest));
  for (Flow& flow : decided) flow.box[Field::state] = only(state_);
  append(out, std::move(decided));
  return out;
}

Result<Flows> Evaluator::prerouting(const Flows& flows) {
  Flows rest = flows;
  bool tracked = false, translated = false;
  const auto reach = [&](int priority) -> Status {
    if (!tracked && priority >= kTrackingPriority) {
      tracked = true;
      for (Flow& flow : rest)
        if (flow.box[Field::state] == only(State::invalid)) flow.box[Field::state] = only(state_);
    }
    if (!translated && priority >= kTranslationPriority) {
      translated = true;
      CLAWQL_TRY(rest, translate(rest));
    }
    return {};
  };
  for (const BaseChain* base : bases_of(rules_, Hook::prerouting, false)) {
    CLAWQL_CHECKED(reach(base->priority));
    CLAWQL_TRY(rest, through_one(*base, rest, nullptr));
  }
  CLAWQL_CHECKED(reach(kTranslationPriority));
  return rest;
}

}  // namespace clawql::exposure::firewall
