// A rule set as it is evaluated, whatever wrote it: chains of rules, each a row of statements. It is made for one space
// (family and protocol), so that a match on another family or protocol has become "never".
//
// What a reader does not know becomes an uncertain condition: it *may* match what `may` says, and matches for sure only
// what `must` says. So a reader's ignorance can only make the computed set larger.
#pragma once

#include <map>
#include <string>
#include <variant>
#include <vector>

#include "exposure/firewall/address.hpp"
#include "exposure/firewall/packet.hpp"

namespace clawql::exposure::firewall {

struct Condition {
  std::vector<Box> may;         // disjoint
  bool certain = true;          // `must` is `may`
  std::vector<Box> must;        // disjoint; read only when not certain
  bool wants_tracking = false;  // asks the connection: matches no packet that has none (invalid, untracked)
  bool of_opening = false;      // says so of packets that open a connection; of later ones it may be either way
  // Not certain because whoever sends the packet decides (a header that may be left out), or because only a part of the
  // packets matches (a rate): somebody gets through either way, so the set is exact and nothing is to be said.
  bool either_way = false;
  std::string unknown;  // when not certain: what was not understood, or can change at run time
};

enum class VerdictKind : std::uint8_t {
  next_rule,
  accept,
  drop,
  jump,
  go_to,
  leave,       // return to the calling chain
  may_accept,  // a target that is not known: accepts, or goes on with the next rule
};

struct Verdict {
  VerdictKind kind = VerdictKind::next_rule;
  std::string chain;  // key in RuleSet::chains, of jump and go_to
};

struct VerdictMap {
  std::vector<std::pair<Condition, Verdict>> entries;  // disjoint
};

// DNAT and REDIRECT.
struct Translation {
  std::optional<IntervalSet> address;  // absent: kept
  std::optional<IntervalSet> port;
  // REDIRECT: the address depends on the interface that a packet came in by, and on the scope of where it was sent.
  // Disjoint; what is in none is dropped.
  struct Redirection {
    IntervalSet interfaces, sent_to, address;
  };
  std::vector<Redirection> redirections;
};

struct Untrack {};

// mark = (mark & ~cleared) ^ flipped; absent: to something that is not known.
struct SetMark {
  struct Bits {
    std::uint32_t cleared, flipped;
  };
  std::optional<Bits> bits;
};

using Statement = std::variant<Condition, Verdict, VerdictMap, Translation, Untrack, SetMark>;

struct Rule {
  RuleId id = 0;
  std::vector<Statement> statements;
};

struct Chain {
  std::vector<Rule> rules;
};

enum class Hook : std::uint8_t { prerouting, input, forward };

struct BaseChain {
  Hook hook = Hook::input;
  int priority = 0;
  bool translates = false;  // type nat
  bool drops = false;       // its policy
  RuleId policy = 0;        // stands in RuleSet::rules as the policy
  std::string chain;
};

struct RuleText {
  std::string where;  // "inet filter input", "iptables filter INPUT"
  std::string text;   // as its tool would write it, or nearly so
  bool is_policy = false;
};

struct RuleSet {
  explicit RuleSet(Space of) : space(of) {}

  Space space;
  std::map<std::string, Chain> chains;
  std::vector<BaseChain> bases;
  std::vector<RuleText> rules;  // by RuleId
  // What was read but not understood, and can widen what is reachable in ways that no condition expresses.
  std::vector<std::string> not_modelled;

  RuleId add_text(RuleText text) {
    rules.push_back(std::move(text));
    return static_cast<RuleId>(rules.size() - 1);
  }
};

}  // namespace clawql::exposure::firewall
