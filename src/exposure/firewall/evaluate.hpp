// What gets through a rule set: not by samples, but the whole set. Where the rules are not understood, too much rather
// than too little.
#pragma once

#include <cstddef>
#include <set>

#include "base/result.hpp"
#include "exposure/firewall/rules.hpp"

namespace clawql::exposure::firewall {

class Evaluator {
 public:
  // `state`: what conntrack says of the packets: fresh ones open a connection, established ones belong to one that
  // these rules let come about.
  explicit Evaluator(const RuleSet& rules, State state = State::fresh) : rules_(rules), state_(state) {}

  // What is left of packets that came in, on its way to routing: destinations translated, states known. `flows` are
  // packets before conntrack: see arriving().
  Result<Flows> prerouting(const Flows& flows);
  // What reaches a local socket, or leaves for another host.
  Result<Flows> input(const Flows& flows) { return through(Hook::input, flows); }
  Result<Flows> forward(const Flows& flows) { return through(Hook::forward, flows); }

  // Rules that were met by one of these packets, decide something, and were not understood.
  const std::set<std::pair<RuleId, std::string>>& doubts() const { return doubts_; }

 private:
  struct Outcome {
    Flows accepted, translated, rest;
  };
  struct Walk;
  Result<Flows> through(Hook hook, const Flows& flows);
  Result<Flows> through_one(const BaseChain& base, const Flows& flows, Flows* translated);
  Result<Flows> translate(const Flows& flows);
  Result<Outcome> walk(const std::string& chain, Flows flows, unsigned depth);
  Status run_rule(const Rule& rule, Walk& walk, unsigned depth);
  Status decide(const Rule& rule, const Verdict& verdict, Flows flows, Walk& walk, unsigned depth);
  void select(const Rule& rule, const Condition& condition, Flows& inside, Flows& skipped);
  Status spend(std::size_t flows);

  const RuleSet& rules_;
  const State state_;
  std::set<std::pair<RuleId, std::string>> doubts_;
  std::size_t spent_ = 0;
};

}  // namespace clawql::exposure::firewall
