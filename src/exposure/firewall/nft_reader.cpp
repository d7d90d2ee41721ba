#include "exposure/firewall/nft_reader.hpp"

#include <algorithm>
#include <array>
#include <optional>

#include "exposure/firewall/nft_match.hpp"
#include "exposure/firewall/nft_text.hpp"
#include "exposure/firewall/protocol.hpp"

namespace clawql::exposure::firewall {
namespace {

using json::Kind;
using json::Value;
using nft::NamedSet;
using nft::NamedSets;

constexpr json::ParseLimits kLimits{.bytes = 64U << 20, .depth = 64, .values = 8'000'000};

std::string table_key(Value object) {
  return nft::text_of(object.find("family")) + " " + nft::text_of(object.find("table"));
}
std::string chain_key(const std::string& table, const std::string& chain) {
  return "nft " + table + " " + chain;
}

bool has_flag(Value flags, std::string_view wanted) {
  if (flags.equals(wanted)) return true;
  for (const Value flag : flags.elements())
    if (flag.equals(wanted)) return true;
  return false;
}

// Sets that say nothing of it, but whose program adds and removes all the time (fail2ban, CrowdSec).
bool is_filled_by_a_program(std::string_view name) {
  return name.starts_with("addr-set-") || name.starts_with("addr6-set-") || name.starts_with("f2b-") ||
         name.starts_with("crowdsec");
}

class Reader {
 public:
  Reader(const Topology& topology, const std::set<std::pair<std::string, std::string>>& skipped, RuleSet& rules)
      : topology_(topology), skipped_(skipped), rules_(rules) {}

  Status run(Value objects) {
    for (const Value object : objects.elements()) note_sets(object);
    for (const Value object : objects.elements()) note_filled_sets(object.find("rule"));
    for (const Value object : objects.elements())
      if (const Value chain = object.find("chain")) CLAWQL_CHECKED(add_chain(chain));
    for (const Value object : objects.elements())
      if (const Value rule = object.find("rule")) CLAWQL_CHECKED(add_rule(rule));
    return {};
  }

 private:
  // Tables of this family's packets that nobody else reads.
  bool concerns(Value object) const {
    const std::string family = object.find("family").string().value_or("");
    const bool ours = family == "inet" || family == (rules_.space.family == Family::ipv4 ? "ip" : "ip6");
    return ours && !skipped_.contains({family, object.find("table").string().value_or("")});
  }

  void note_sets(Value object) {
    for (const char* kind : {"set", "map"}) {
      const Value set = object.find(kind);
      if (!set) continue;
      const Value flags = set.find("flags");
      const std::string name = set.find("name").string().value_or("");
      sets_[table_key(set)][name] = NamedSet{
          set.find("elem"), has_flag(flags, "timeout") || has_flag(flags, "dynamic") || is_filled_by_a_program(name)};
    }
    // Elements that are listed apart from their set.
    if (const Value element = object.find("element")) {
      NamedSet& set = sets_[table_key(element)][element.find("name").string().value_or("")];
      if (!set.elements)
        set.elements = element.find("elem");
      else
        set.changes = true;
    }
  }

  // Sets that rules add to.
  void note_filled_sets(Value rule) {
    if (!rule) return;
    for (const Value statement : rule.find("expr").elements())
      for (const char* kind : {"set", "map"}) {
        const std::string name = statement.find(kind).find(kind).string().value_or("");
        if (name.starts_with('@')) sets_[table_key(rule)][name.substr(1)].changes = true;
      }
  }

  Status add_chain(Value chain) {
    if (!concerns(chain)) return {};
    const std::string table = table_key(chain);
    const std::string name = chain.find("name").string().value_or("");
    const std::string key = chain_key(table, name);
    rules_.chains[key];
    const auto hook_name = chain.find("hook").string();
    if (!hook_name) return {};
    BaseChain base;
    if (*hook_name == "prerouting")
      base.hook = Hook::prerouting;
    else if (*hook_name == "input")
      base.hook = Hook::input;
    else if (*hook_name == "forward")
      base.hook = Hook::forward;
    else
      return {};  // output, postrouting and ingress let nothing in (ingress can only drop earlier)
    const auto priority = chain.find("prio").int64();
    if (!priority || *priority < -100'000'000 || *priority > 100'000'000)
      return fail("the chain " + table + " " + name + " has no priority that can be read");
    base.priority = static_cast<int>(*priority);
    base.translates = chain.find("type").equals("nat");
    base.drops = chain.find("policy").equals("drop");
    base.chain = key;
    base.policy = rules_.add_text({table + " " + name, base.drops ? "policy drop" : "policy accept", true});
    rules_.bases.push_back(std::move(base));
    return {};
  }

  Status add_rule(Value json_rule) {
    if (!concerns(json_rule)) return {};
    const std::string table = table_key(json_rule);
    const std::string chain = json_rule.find("chain").string().value_or("");
    const auto found = rules_.chains.find(chain_key(table, chain));
    if (found == rules_.chains.end()) return fail("a rule is in a chain that is not there: " + table + " " + chain);
    const Value expressions = json_rule.find("expr");
    if (!expressions.is(Kind::array)) return fail("a rule of " + table + " " + chain + " has no expressions");
    Rule rule;
    std::string text;
    const nft::Surroundings around{rules_.space, topology_, sets_[table]};
    for (const Value expression : expressions.elements()) {
      add_statement(rule, table, expression, around);
      const std::string part = statement_text(expression);
      if (text.size() < 200 && !part.empty()) text += (text.empty() ? "" : " ") + part;
    }
    if (const auto comment = json_rule.find("comment").string()) text += " comment \"" + *comment + "\"";
    rule.id = rules_.add_text({table + " " + chain, text});
    found->second.rules.push_back(std::move(rule));
    return {};
  }

  static std::string statement_text(Value expression) {
    if (const Value match = expression.find("match")) {
      const std::string operation = match.find("op").string().value_or("");
      return nft::text_of(match.find("left")) +
             (operation == "!=" || operation == "<" || operation == ">" ? " " + operation : "") + " " +
             nft::text_of(match.find("right"));
    }
    if (expression.find("counter")) return {};
    if (const Value map = expression.find("vmap"))
      return nft::text_of(map.find("key")) + " vmap " + nft::text_of(map.find("data"));
    for (const char* verdict : {"jump", "goto"})
      if (const Value target = expression.find(verdict))
        return std::string(verdict) + " " + nft::text_of(target.find("target"));
    for (const char* kind : {"dnat", "redirect"})
      if (const Value target = expression.find(kind))
        return std::string(kind) + " to " + (target.find("addr") ? nft::text_of(target.find("addr")) : "") +
               (target.find("port") ? ":" + nft::text_of(target.find("port")) : "");
    return nft::text_of(expression);
  }

  void add_statement(Rule& rule, const std::string& table, Value expression, const nft::Surroundings& around) {
    if (const Value match = expression.find("match")) {
      rule.statements.emplace_back(nft::condition_of_match(match, around));
      return;
    }
    if (const Value reject = expression.find("reject")) add_reject_match(rule, table, reject);
    if (auto verdict = verdict_of(expression, table)) {
      rule.statements.emplace_back(std::move(*verdict));
      return;
    }
    if (const Value map = expression.find("vmap")) {
      add_verdict_map(rule, table, map, around);
      return;
    }
    if (const Value target = expression.find("dnat")) {
      add_translation(rule, target, around);
      return;
    }
    if (const Value target = expression.find("redirect")) {
      add_redirect(rule, target, around);
      return;
    }
    std::string name;
    for (const auto& [key, value] : expression.members()) name = key.string().value_or("");
    if (name == "notrack") {
      rule.statements.emplace_back(Untrack{});
      return;
    }
    add_other(rule, name, expression);
  }

  // nft leaves out of its listing what a reject implies: of the rule `meta nfproto ipv6 meta l4proto tcp reject with
  // tcp reset` in an inet table it prints neither the family nor, in an ip table, the protocol.
  void add_reject_match(Rule& rule, const std::string& table, Value reject) {
    const Value type = reject.find("type");
    const Family family = rules_.space.family;
    if ((type.equals("icmp") && family != Family::ipv4) || (type.equals("icmpv6") && family != Family::ipv6) ||
        (type.equals("tcp reset") && rules_.space.protocol != kTcp)) {
      rule.statements.emplace_back(Condition{});
      return;
    }
    const bool names_family = std::ranges::any_of(rule.statements, [family](const Statement& statement) {
      const auto* condition = std::get_if<Condition>(&statement);
      const auto says = [family](const Box& box) {
        return box[Field::source] != all_of(Field::source, family) ||
               box[Field::destination] != all_of(Field::destination, family);
      };
      return condition && std::ranges::any_of(condition->may, says);
    });
    if (type.equals("tcp reset") && table.starts_with("inet ") && !names_family)
      rule.statements.emplace_back(doubt("whether the reset is for IPv4 or IPv6 alone, which nft leaves out"));
  }

  void add_other(Rule& rule, const std::string& name, Value expression) {
    // What changes neither the packet's way nor its destination.
    constexpr std::array<std::string_view, 11> kHarmless{"counter", "log",  "snat", "masquerade", "set",     "map",
                                                         "dup",     "flow", "last", "ct timeout", "synproxy"};
    for (const std::string_view harmless : kHarmless)
      if (name == harmless) return;
    if (name == "limit" || name == "quota" || name == "ct count" || name == "connlimit") {
      // A part of the packets matches and a part does not; a quota is used up once and for all.
      Condition part = doubt(name + ", which lets a part of the packets pass");
      part.either_way = name != "quota";
      rule.statements.emplace_back(std::move(part));
      return;
    }
    if (name == "queue") {
      rule.statements.emplace_back(doubt("queue, whose program decides"));
      rule.statements.emplace_back(Verdict{VerdictKind::may_accept, {}});
      return;
    }
    if (name == "mangle") {
      const Value changed = expression.find("mangle").find("key");
      if (changed.find("meta").find("key").equals("mark")) {
        SetMark mark;
        if (const auto value = expression.find("mangle").find("value").uint64(); value && *value <= 0xffffffffU)
          mark.bits = {~std::uint32_t{0}, static_cast<std::uint32_t>(*value)};
        rule.statements.emplace_back(mark);
        return;
      }
      // Marks of connections and the like: matches on them are not understood, so nothing is lost.
      if (!changed.find("payload")) return;
    }
    if (name == "xt" && expression.find("xt").find("type").equals("match")) {
      rule.statements.emplace_back(
          doubt("the match " + nft::text_of(expression.find("xt").find("name")) + " of iptables"));
      return;
    }
    if (name == "ct helper" || name == "ct expectation" || name == "tproxy" || name == "mangle" || name == "fwd")
      rules_.not_modelled.push_back("`" + name +
                                    "` in a rule: it can lead packets to a listener in ways that are not computed");
    rule.statements.emplace_back(doubt("the statement " + name));
    if (name != "ct helper" && name != "mangle" && name != "ct expectation")
      rule.statements.emplace_back(Verdict{VerdictKind::may_accept, {}});
  }

  Condition doubt(std::string why) const {
    Condition out;
    out.may = {Box(rules_.space.family)};
    out.certain = false;
    out.unknown = std::move(why);
    return out;
  }

  static std::optional<Verdict> verdict_of(Value expression, const std::string& table) {
    if (expression.find("accept")) return Verdict{VerdictKind::accept, {}};
    if (expression.find("drop") || expression.find("reject")) return Verdict{VerdictKind::drop, {}};
    if (expression.find("return")) return Verdict{VerdictKind::leave, {}};
    if (expression.find("continue")) return Verdict{VerdictKind::next_rule, {}};
    if (const Value jump = expression.find("jump"))
      return Verdict{VerdictKind::jump, chain_key(table, jump.find("target").string().value_or(""))};
    if (const Value jump = expression.find("goto"))
      return Verdict{VerdictKind::go_to, chain_key(table, jump.find("target").string().value_or(""))};
    return std::nullopt;
  }

  void add_verdict_map(Rule& rule, const std::string& table, Value map, const nft::Surroundings& around) {
    const nft::Keys keys = nft::keys_of(map.find("key"), around);
    Value entries = map.find("data");
    if (const auto name = entries.string(); name && name->starts_with('@')) {
      const auto found = around.sets.find(name->substr(1));
      if (found == around.sets.end() || found->second.changes) {
        rule.statements.emplace_back(doubt("the map " + *name + ", which is filled at run time"));
        rule.statements.emplace_back(Verdict{VerdictKind::may_accept, {}});
        return;
      }
      entries = found->second.elements;
    } else if (entries.find("set")) {
      entries = entries.find("set");
    }
    VerdictMap out;
    for (const Value entry : entries.elements()) {
      if (entry.size() != 2) continue;
      auto at = entry.elements().begin();
      const Value key = *at;
      auto verdict = verdict_of(*++at, table);
      if (!verdict) verdict = Verdict{VerdictKind::may_accept, {}};
      out.entries.emplace_back(nft::condition_of(keys, "==", key, around), std::move(*verdict));
    }
    rule.statements.emplace_back(std::move(out));
  }

  static std::optional<IntervalSet> target_ports(Value target, const nft::Surroundings& around) {
    const Value port = target.find("port");
    if (!port) return std::nullopt;
    const Condition condition =
        nft::condition_of({{{nft::Key::Kind::port, Field::destination_port, {}}}, false, {}}, "==", port, around);
    return condition.may.empty() ? all_of(Field::destination_port, around.space.family)
                                 : condition.may[0][Field::destination_port];
  }

  static void add_translation(Rule& rule, Value target, const nft::Surroundings& around) {
    const auto family = target.find("family").string();
    if (family && *family != (around.space.family == Family::ipv4 ? "ip" : "ip6")) {
      rule.statements.emplace_back(Condition{});  // of the other family: matches nothing here
      return;
    }
    Translation out;
    if (const Value address = target.find("addr")) {
      const Condition condition =
          nft::condition_of({{{nft::Key::Kind::address, Field::destination, {}}}, false, {}}, "==", address, around);
      out.address = condition.may.empty() ? all_of(Field::destination, around.space.family)
                                          : condition.may[0][Field::destination];
    }
    out.port = target_ports(target, around);
    rule.statements.emplace_back(std::move(out));
  }

  static void add_redirect(Rule& rule, Value target, const nft::Surroundings& around) {
    rule.statements.emplace_back(
        Translation{{}, target_ports(target, around), around.topology.redirections(around.space.family)});
  }

  const Topology& topology_;
  const std::set<std::pair<std::string, std::string>>& skipped_;
  RuleSet& rules_;
  std::map<std::string, NamedSets> sets_;
};

}  // namespace

Status read_nft(std::string_view text, const Topology& topology,
                const std::set<std::pair<std::string, std::string>>& skipped, RuleSet& rules) {
  const auto document = json::Document::parse(text, kLimits);
  if (!document)
    return fail("the nft rules are no JSON (byte " + std::to_string(document.error().offset) + ": " +
                std::string(document.error().why) + ")");
  const Value objects = document->root().find("nftables");
  if (!objects.is(Kind::array) || objects.size() == 0)
    return fail("this is no `nft -j list ruleset`: it has no list \"nftables\"");
  bool described = false;
  for (const Value object : objects.elements())
    if (const Value info = object.find("metainfo")) {
      described = true;
      if (const auto version = info.find("json_schema_version").int64(); version && *version != 1)
        return fail("the nft rules have JSON schema version " + std::to_string(*version) + "; 1 is understood");
    }
  if (!described) return fail("this is no `nft -j list ruleset`: it has no \"metainfo\"");
  return Reader(topology, skipped, rules).run(objects);
}

}  // namespace clawql::exposure::firewall
