#include "exposure/firewall/iptables_reader.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <optional>

#include "base/decimal.hpp"
#include "exposure/firewall/iptables_match.hpp"

namespace clawql::exposure::firewall {
namespace {

constexpr std::size_t kMaxBytes = 64U << 20;

struct Place {
  std::string_view table, chain;
  Hook hook;
  int priority;
  bool translates;
};
// Where the built-in chains stand (netfilter_ipv4.h). OUTPUT and POSTROUTING let nothing in.
constexpr std::array<Place, 9> kPlaces{{{"raw", "PREROUTING", Hook::prerouting, -300, false},
                                        {"mangle", "PREROUTING", Hook::prerouting, -150, false},
                                        {"nat", "PREROUTING", Hook::prerouting, -100, true},
                                        {"mangle", "INPUT", Hook::input, -150, false},
                                        {"filter", "INPUT", Hook::input, 0, false},
                                        {"security", "INPUT", Hook::input, 50, false},
                                        {"mangle", "FORWARD", Hook::forward, -150, false},
                                        {"filter", "FORWARD", Hook::forward, 0, false},
                                        {"security", "FORWARD", Hook::forward, 50, false}}};

// Calls `table(name)`, `chain(words)`, `rule(words)` for each line. Errors name the line.
template <class Table, class Chain, class RuleLine>
Status each_line(std::string_view text, Table table, Chain chain, RuleLine rule) {
  if (text.size() > kMaxBytes) return fail("more than 64 MiB");
  bool inside = false, any = false;
  std::size_t number = 0;
  const auto at = [&number](Error error) {
    return std::unexpected(std::move(error).in("line " + std::to_string(number)));
  };
  while (!text.empty()) {
    const auto end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    ++number;
    while (line.ends_with('\r') || line.ends_with(' ')) line.remove_suffix(1);
    if (line.empty() || line.starts_with('#')) continue;
    if (line.starts_with('*')) {
      if (inside) return at({"a table begins inside another one: the text is cut", 0});
      inside = any = true;
      table(std::string(line.substr(1)));
      continue;
    }
    if (!inside) return at({"this is not what iptables-save writes", 0});
    if (line == "COMMIT") {
      inside = false;
      continue;
    }
    if (line.starts_with('[')) line = line.substr(std::min(line.find(' '), line.size() - 1) + 1);  // counters (-c)
    auto words = iptables::words_of(line);
    if (!words) return at(std::move(words).error());
    if (words->empty()) return at({"a line without a rule", 0});
    Status done = line.starts_with(':') ? chain(*words) : rule(*words);
    if (!done) return at(std::move(done).error());
  }
  if (inside) return fail("the last table has no COMMIT: the text is cut");
  if (!any) return fail("this is not what iptables-save writes: it holds no table");
  return {};
}

class Reader {
 public:
  Reader(std::string_view tool, const Topology& topology, RuleSet& rules)
      : tool_(tool), topology_(topology), rules_(rules) {}

  Status run(std::string_view text) {
    // Rules may jump to chains that are listed before them only; the chains of a table stand before its rules.
    return each_line(
        text, [this](std::string name) { table_ = std::move(name); },
        [this](const std::vector<std::string>& words) { return add_chain(words); },
        [this](const std::vector<std::string>& words) { return add_rule(words); });
  }

 private:
  std::string key(std::string_view chain) const { return tool_ + " " + table_ + " " + std::string(chain); }

  Status add_chain(const std::vector<std::string>& words) {
    if (words.size() < 2 || words[0].size() < 2) return fail("a chain without a policy");
    const std::string name = words[0].substr(1);
    rules_.chains[key(name)];
    const auto place =
        std::ranges::find_if(kPlaces, [&](const Place& one) { return one.table == table_ && one.chain == name; });
    if (place == kPlaces.end()) return {};
    BaseChain base;
    base.hook = place->hook;
    base.priority = place->priority;
    base.translates = place->translates;
    base.drops = words[1] == "DROP";
    base.chain = key(name);
    base.policy = rules_.add_text({key(name), "policy " + words[1], true});
    rules_.bases.push_back(std::move(base));
    return {};
  }

  Status add_rule(const std::vector<std::string>& words) {
    // -I (in front) is not what iptables-save writes, but ufw's files hold it.
    const bool in_front = words[0] == "-I";
    if (words.size() < 2 || (words[0] != "-A" && !in_front)) return fail("\"" + words[0] + "\" where -A is expected");
    if (in_front && words.size() > 2 && base::parse_decimal<std::uint32_t>(words[2]))
      return fail("\"-I\" with a position is not understood");
    const auto chain = rules_.chains.find(key(words[1]));
    if (chain == rules_.chains.end()) return fail("a rule of the chain " + words[1] + ", which is not listed");
    CLAWQL_TRY(iptables::Parsed parsed,
               iptables::parse_rule({words.begin() + 2, words.end()}, rules_.space, topology_));
    Rule rule;
    std::string text;
    for (const std::string& word : words) text += (text.empty() ? "" : " ") + word;
    rule.id = rules_.add_text({tool_ + " " + table_, text.substr(0, 300)});
    // fail2ban adds and removes the rules of its chains all the time: whom they stop today may come tomorrow.
    if (words[1].starts_with("f2b-"))
      for (Condition& condition : parsed.conditions) {
        condition.must.clear();
        condition.certain = false;
        condition.unknown = "the chain " + words[1] + ", which fail2ban fills at run time";
      }
    for (Condition& condition : parsed.conditions) rule.statements.emplace_back(std::move(condition));
    add_target(rule, parsed);
    std::vector<Rule>& there = chain->second.rules;
    there.insert(in_front ? there.begin() : there.end(), std::move(rule));
    return {};
  }

  void add_target(Rule& rule, const iptables::Parsed& parsed) {
    const std::string& target = parsed.target;
    const auto verdict = [&rule](VerdictKind kind, std::string chain = {}) {
      rule.statements.emplace_back(Verdict{kind, std::move(chain)});
    };
    // What changes neither the packet's way nor its destination.
    constexpr std::array<std::string_view, 17> kHarmless{
        "LOG",        "NFLOG", "ULOG", "CONNMARK", "TCPMSS", "SET",         "TRACE",   "CLASSIFY", "CHECKSUM",
        "MASQUERADE", "SNAT",  "DSCP", "TOS",      "TTL",    "CONNSECMARK", "SECMARK", "AUDIT"};
    if (target == "MARK" || (target == "CONNMARK" && has(parsed, "--restore-mark"))) {
      rule.statements.emplace_back(mark_of(parsed));
      return;
    }
    if (target.empty() || std::ranges::find(kHarmless, target) != kHarmless.end()) return;
    if (target == "ACCEPT") return verdict(VerdictKind::accept);
    if (target == "DROP" || target == "REJECT") return verdict(VerdictKind::drop);
    if (target == "RETURN") return verdict(VerdictKind::leave);
    if (target == "DNAT" || target == "REDIRECT") return add_translation(rule, parsed);
    if (target == "NOTRACK") return void(rule.statements.emplace_back(Untrack{}));
    if (target == "CT") {
      if (has(parsed, "--notrack")) rule.statements.emplace_back(Untrack{});
      if (has(parsed, "--helper"))
        rules_.not_modelled.push_back(
            "a conntrack helper: it opens paths of its own (RELATED), which are not computed");
      return;
    }
    if (rules_.chains.contains(key(target)))
      return verdict(parsed.go_to ? VerdictKind::go_to : VerdictKind::jump, key(target));
    if (target == "TPROXY" || target == "NETMAP")
      rules_.not_modelled.push_back("`-j " + target +
                                    "`: it can lead packets to a listener in ways that are not computed");
    Condition unknown;
    unknown.may = {Box(rules_.space.family)};
    unknown.certain = false;
    unknown.unknown = "the target " + target;
    rule.statements.emplace_back(std::move(unknown));
    verdict(VerdictKind::may_accept);
  }

  // iptables-save writes --set-xmark VALUE/MASK, whatever was said.
  static SetMark mark_of(const iptables::Parsed& parsed) {
    const std::string text = value_of(parsed, "--set-xmark");
    const auto slash = text.find('/');
    const auto value = iptables::mark_number(std::string_view(text).substr(0, slash));
    const auto mask = slash == std::string::npos ? std::optional(~std::uint32_t{0})
                                                 : iptables::mark_number(std::string_view(text).substr(slash + 1));
    if (parsed.target != "MARK" || !value || !mask) return {};
    return {SetMark::Bits{*mask, *value}};
  }

  static bool has(const iptables::Parsed& parsed, std::string_view option) {
    return std::ranges::find(parsed.target_options, option) != parsed.target_options.end();
  }
  static std::string value_of(const iptables::Parsed& parsed, std::string_view option) {
    const auto found = std::ranges::find(parsed.target_options, option);
    return found == parsed.target_options.end() || std::next(found) == parsed.target_options.end() ? ""
                                                                                                   : *std::next(found);
  }

  // "8080" or "8080-8090"; all ports where it is not understood.
  IntervalSet ports_of(std::string_view text) const {
    const auto dash = text.find('-');
    const auto first = base::parse_decimal<std::uint16_t>(text.substr(0, dash));
    const auto last =
        dash == std::string_view::npos ? first : base::parse_decimal<std::uint16_t>(text.substr(dash + 1));
    if (!first || !last || *last < *first) return all_of(Field::destination_port, rules_.space.family);
    return {*first, *last};
  }

  void add_translation(Rule& rule, const iptables::Parsed& parsed) const {
    const Family family = rules_.space.family;
    Translation out;
    if (parsed.target == "REDIRECT") {
      out.redirections = topology_.redirections(family);
      if (const std::string ports = value_of(parsed, "--to-ports"); !ports.empty()) out.port = ports_of(ports);
      rule.statements.emplace_back(std::move(out));
      return;
    }
    // ADDRESS[:PORTS], [ADDRESS6]:PORTS, :PORTS
    std::string address = value_of(parsed, "--to-destination");
    std::string ports;
    if (address.starts_with('[')) {
      const auto end = address.find(']');
      if (end != std::string::npos && end + 1 < address.size()) ports = address.substr(end + 2);
      address = address.substr(1, end == std::string::npos ? end : end - 1);
    } else if (family == Family::ipv4) {
      if (const auto colon = address.find(':'); colon != std::string::npos) {
        ports = address.substr(colon + 1);
        address.resize(colon);
      }
    }
    if (!address.empty()) {
      const auto network = parse_network(address);
      out.address = network && network->family == family ? IntervalSet(network->range.first, network->range.last)
                                                         : all_of(Field::destination, family);
    }
    if (!ports.empty()) out.port = ports_of(ports.substr(0, ports.find('/')));
    rule.statements.emplace_back(std::move(out));
  }

  const std::string tool_;
  const Topology& topology_;
  RuleSet& rules_;
  std::string table_;
};

}  // namespace

Result<std::set<std::string>> iptables_tables(std::string_view text) {
  std::set<std::string> out;
  const auto ignore = [](const std::vector<std::string>&) -> Status { return {}; };
  CLAWQL_CHECKED(each_line(text, [&out](std::string name) { out.insert(std::move(name)); }, ignore, ignore));
  return out;
}

Status read_iptables(std::string_view text, std::string_view tool, const Topology& topology, RuleSet& rules) {
  Status done = Reader(tool, topology, rules).run(text);
  if (!done) return std::unexpected(std::move(done).error().in(tool));
  return {};
}

}  // namespace clawql::exposure::firewall
