#include "exposure/firewall/evaluate.hpp"

#include <algorithm>
#include <utility>

#include "exposure/firewall/alter.hpp"
#include "exposure/firewall/flows.hpp"
#include "exposure/firewall/topology.hpp"

namespace clawql::exposure::firewall {
namespace {

constexpr unsigned kMaxDepth = 32;            // the kernel allows 16 jumps
constexpr std::size_t kMaxWork = 40'000'000;  // flows looked at
constexpr std::size_t kMaxFlows = 200'000;
constexpr int kTrackingPriority = -200;
constexpr int kTranslationPriority = -100;  // where the kernel does NAT, whatever a nat chain says

bool decides(const Rule& rule) {
  return std::ranges::any_of(rule.statements, [](const Statement& statement) {
    if (const auto* verdict = std::get_if<Verdict>(&statement)) return verdict->kind != VerdictKind::next_rule;
    return !std::holds_alternative<Condition>(statement);
  });
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
  eligible[Field::in_interface] = eligible[Field::in_interface].without(loopback_interface());
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
