#include "exposure/firewall/iptables_match.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <functional>
#include <map>
#include <optional>
#include <utility>

#include "base/decimal.hpp"
#include "exposure/firewall/alter.hpp"
#include "exposure/firewall/protocol.hpp"

namespace clawql::exposure::firewall::iptables {
namespace {

std::vector<std::string_view> split(std::string_view text, char at) {
  std::vector<std::string_view> out;
  for (;;) {
    const auto found = text.find(at);
    out.push_back(text.substr(0, found));
    if (found == std::string_view::npos) return out;
    text.remove_prefix(found + 1);
  }
}

std::optional<IntervalSet> port_range(std::string_view text) {
  const auto colon = text.find(':');
  const std::string_view low = text.substr(0, colon);
  const std::string_view high = colon == std::string_view::npos ? low : text.substr(colon + 1);
  const auto first = low.empty() ? std::optional<std::uint16_t>(0) : base::parse_decimal<std::uint16_t>(low);
  const auto last = high.empty() ? std::optional<std::uint16_t>(65535) : base::parse_decimal<std::uint16_t>(high);
  if (!first || !last || *last < *first) return std::nullopt;
  return IntervalSet(*first, *last);
}

std::optional<IntervalSet> port_list(std::string_view text) {
  IntervalSet out;
  for (const std::string_view part : split(text, ',')) {
    const auto range = port_range(part);
    if (!range) return std::nullopt;
    out = out.united(*range);
  }
  return out;
}

class RuleParser {
 public:
  RuleParser(const std::vector<std::string>& words, Space space, const Topology& topology)
      : words_(words), space_(space), topology_(topology) {}

  Result<Parsed> run() {
    while (at_ < words_.size()) CLAWQL_CHECKED(option());
    return std::move(parsed_);
  }

 private:
  using Value = std::optional<IntervalSet> (*)(std::string_view text, const RuleParser& parser);

  Status option() {
    negated_ = false;
    if (words_[at_] == "!") {
      negated_ = true;
      if (++at_ == words_.size()) return fail("a rule ends with \"!\"");
    }
    const std::string name = words_[at_++];
    if (name == "-j" || name == "-g") return target(name == "-g");
    if (name == "-m") {
      if (at_ == words_.size()) return fail("a rule ends with \"-m\"");
      module_ = words_[at_++];  // its options say what is matched
      if (words_[at_ - 1] == "socket" || words_[at_ - 1] == "rpfilter") doubt("-m " + words_[at_ - 1]);
      return {};
    }
    if (name == "-p" || name == "--protocol") return protocol();
    if (name == "--comment") return skip_one();
    if (name == "--syn") {
      constant(true);
      parsed_.conditions.back().of_opening = true;
      return {};
    }
    if (name == "--tcp-flags") return tcp_flags();
    if (name == "--ctstate" || name == "--state") return states();
    if (name == "--ctdir") return one_constant("ORIGINAL", "REPLY", true);
    if (name == "--dst-type") return destination_type();
    if (name == "--mark" && module_ == "mark") return mark();
    if (name == "--pkt-type") return packet_type();
    if (name == "--set" && module_ == "recent") return {};  // matches always; its list is asked elsewhere
    if (name == "--icmp-type" || name == "--icmpv6-type") {
      constant(false, true);
      return skip_one();
    }
    if (const auto known = field_options().find(name); known != field_options().end())
      return field(known->first, known->second);
    return unknown(name);
  }

  struct FieldOption {
    Field field;
    Value value;
    bool wants_tracking;
  };

  static const std::map<std::string, FieldOption, std::less<>>& field_options() {
    static const Value address = [](std::string_view text, const RuleParser& parser) -> std::optional<IntervalSet> {
      IntervalSet out;
      for (const std::string_view part : split(text, ',')) {
        const auto network = parse_network(part);
        if (!network || network->family != parser.space_.family) return std::nullopt;
        out = out.united(IntervalSet(network->range.first, network->range.last));
      }
      return out;
    };
    static const Value interface = [](std::string_view text, const RuleParser&) {
      const bool wildcard = text.ends_with('+');
      return interface_set(wildcard ? text.substr(0, text.size() - 1) : text, wildcard);
    };
    static const Value port = [](std::string_view text, const RuleParser&) { return port_range(text); };
    static const Value ports = [](std::string_view text, const RuleParser&) { return port_list(text); };
    static const std::map<std::string, FieldOption, std::less<>> options{
        {"-s", {Field::source, address, false}},
        {"-d", {Field::destination, address, false}},
        {"--src-range", {Field::source, address, false}},
        {"--dst-range", {Field::destination, address, false}},
        {"-i", {Field::in_interface, interface, false}},
        {"-o", {Field::out_interface, interface, false}},
        {"--sport", {Field::source_port, port, false}},
        {"--source-port", {Field::source_port, port, false}},
        {"--dport", {Field::destination_port, port, false}},
        {"--destination-port", {Field::destination_port, port, false}},
        {"--sports", {Field::source_port, ports, false}},
        {"--dports", {Field::destination_port, ports, false}},
        {"--ctorigsrc", {Field::source, address, true}},
        {"--ctorigdst", {Field::original_destination, address, true}},
        {"--ctorigsrcport", {Field::source_port, port, true}},
        {"--ctorigdstport", {Field::original_destination_port, port, true}}};
    return options;
  }

  Status field(std::string_view name, const FieldOption& option) {
    CLAWQL_TRY(const std::string text, word(name));
    const auto values = option.value(text, *this);
    if (!values) {
      doubt(std::string(name) + " " + text);
      return {};
    }
    const IntervalSet& all = all_of(option.field, space_.family);
    add(Box(space_.family).with(option.field, negated_ ? all.without(*values) : *values), option.wants_tracking);
    return {};
  }

  Result<std::string> word(std::string_view after) {
    if (at_ == words_.size()) return fail("a rule ends with \"" + std::string(after) + "\"");
    return words_[at_++];
  }
  Status skip_one() {
    CLAWQL_TRY([[maybe_unused]] const std::string skipped, word("an option"));
    return {};
  }

  void add(Box box, bool wants_tracking = false) {
    Condition condition;
    condition.wants_tracking = wants_tracking;
    if (!box.empty()) condition.may = {std::move(box)};
    parsed_.conditions.push_back(std::move(condition));
  }
  // The same for all packets of the space. `whatever`: negation changes nothing (about another protocol).
  void constant(bool matches, bool whatever = false, bool wants_tracking = false) {
    Box box(space_.family);
    if (matches == (negated_ && !whatever)) box[Field::state] = {};
    add(std::move(box), wants_tracking);
  }
  void doubt(std::string why, bool either_way = false) {
    Condition condition;
    condition.either_way = either_way;
    condition.may = {Box(space_.family)};
    condition.certain = false;
    condition.unknown = std::move(why);
    parsed_.conditions.push_back(std::move(condition));
  }

  Status target(bool go_to) {
    CLAWQL_TRY(parsed_.target, word(go_to ? "-g" : "-j"));
    parsed_.go_to = go_to;
    parsed_.target_options.assign(words_.begin() + static_cast<std::ptrdiff_t>(at_), words_.end());
    at_ = words_.size();
    return {};
  }

  Status protocol() {
    CLAWQL_TRY(const std::string name, word("-p"));
    if (name == "all" || name == "0") return {};
    const auto number = protocol_number(name);
    if (!number)
      doubt("-p " + name);
    else
      constant(*number == space_.protocol);
    return {};
  }

  Status one_constant(std::string_view yes, std::string_view no, bool wants_tracking) {
    CLAWQL_TRY(const std::string value, word(yes));
    if (value != yes && value != no)
      doubt(value);
    else
      constant(value == yes, false, wants_tracking);
    return {};
  }

  Status tcp_flags() {
    CLAWQL_TRY(const std::string mask_text, word("--tcp-flags"));
    CLAWQL_TRY(const std::string wanted_text, word("--tcp-flags"));
    const auto bits = [](std::string_view text) -> std::optional<unsigned> {
      unsigned out = 0;
      if (text == "NONE") return out;
      if (text == "ALL") return 63U;
      for (const std::string_view part : split(text, ',')) {
        std::string lower(part);
        for (char& c : lower) c = static_cast<char>(c | 0x20);
        const auto bit = tcp_flag(lower);
        if (!bit) return std::nullopt;
        out |= *bit;
      }
      return out;
    };
    const auto mask = bits(mask_text);
    const auto wanted = bits(wanted_text);
    constexpr unsigned kFixed = kFin | kSyn | kRst | kAck;  // of a packet that opens a connection; the rest is free
    if (!mask || !wanted)
      doubt("--tcp-flags");
    else if ((*mask & kFixed & kSyn) != (*wanted & kFixed))
      constant(false);  // by the fixed bits alone it is no such packet
    else if ((*mask & ~kFixed) != 0)
      doubt("--tcp-flags " + mask_text + " " + wanted_text, true);
    else
      constant(true);
    parsed_.conditions.back().of_opening = true;
    return {};
  }

  Status states() {
    CLAWQL_TRY(const std::string text, word("--ctstate"));
    constexpr std::array<std::string_view, 5> kNames{"INVALID", "NEW", "ESTABLISHED", "RELATED", "UNTRACKED"};
    std::vector<Box> boxes;
    IntervalSet values;
    for (const std::string_view name : split(text, ',')) {
      const auto found = std::ranges::find(kNames, name);
      if (found != kNames.end())
        values = values.united(IntervalSet::of(static_cast<Number>(found - kNames.begin())));
      else if (name == "DNAT")
        boxes.push_back(Box(space_.family).with(Field::translated, IntervalSet::of(1)));
      else if (name != "SNAT") {
        doubt("--ctstate " + text);
        return {};
      } else {
        doubt("--ctstate SNAT");
        return {};
      }
    }
    if (!values.empty()) boxes.push_back(Box(space_.family).with(Field::state, std::move(values)));
    Condition condition;
    condition.may = complement(boxes, space_.family);
    if (!negated_) condition.may = complement(condition.may, space_.family);  // disjoint boxes, whatever was listed
    parsed_.conditions.push_back(std::move(condition));
    return {};
  }

  Status mark() {
    CLAWQL_TRY(const std::string text, word("--mark"));
    const auto slash = text.find('/');
    const auto value = mark_number(std::string_view(text).substr(0, slash));
    const auto mask = slash == std::string::npos ? std::optional(~std::uint32_t{0})
                                                 : mark_number(std::string_view(text).substr(slash + 1));
    const auto values = value && mask ? marks_like(*value, *mask) : std::nullopt;
    if (!values) {
      doubt("--mark " + text);
      return {};
    }
    const IntervalSet& all = all_of(Field::mark, space_.family);
    add(Box(space_.family).with(Field::mark, negated_ ? all.without(*values) : *values));
    return {};
  }

  // To this host alone, on its link. TCP takes nothing else; a neighbour can send UDP either way.
  Status packet_type() {
    CLAWQL_TRY(const std::string type, word("--pkt-type"));
    if (space_.protocol != kTcp)
      doubt("--pkt-type " + type, true);
    else
      constant(type == "unicast" || type == "host");
    return {};
  }

  Status destination_type() {
    CLAWQL_TRY(const std::string type, word("--dst-type"));
    std::optional<IntervalSet> values;
    if (type == "LOCAL" && topology_.complete) values = topology_.local_addresses(space_.family);
    if (type == "BROADCAST" && topology_.complete) values = topology_.broadcast_addresses(space_.family);
    if (type == "MULTICAST") values = multicast_addresses(space_.family);
    if (!values) {
      doubt("addrtype --dst-type " + type);
      return {};
    }
    const IntervalSet& all = all_of(Field::destination, space_.family);
    add(Box(space_.family).with(Field::destination, negated_ ? all.without(*values) : *values));
    return {};
  }

  // An option that is not known here: its words up to the next option.
  Status unknown(const std::string& name) {
    if (!name.starts_with('-')) return fail("a rule holds \"" + name + "\" where an option is expected");
    std::string text = name;
    while (at_ < words_.size() && words_[at_] != "!" && !words_[at_].starts_with('-')) text += " " + words_[at_++];
    // Headers that a packet may have or not, and rates.
    constexpr std::array<std::string_view, 17> kEitherWay{
        "rt",  "frag", "dst",    "hbh",   "ipv6header", "hl",        "ttl",       "length", "dscp",
        "tos", "ecn",  "tcpmss", "limit", "hashlimit",  "connlimit", "statistic", "string"};
    const bool rate = module_ == "recent" && std::ranges::find(words_, "--hitcount") != words_.end();
    const bool tcp_option = name == "--tcp-option";
    doubt(text, rate || tcp_option || std::ranges::find(kEitherWay, module_) != kEitherWay.end());
    return {};
  }

  const std::vector<std::string>& words_;
  const Space space_;
  const Topology& topology_;
  std::size_t at_ = 0;
  bool negated_ = false;
  std::string module_;  // the last -m
  Parsed parsed_;
};

}  // namespace

Result<std::vector<std::string>> words_of(std::string_view line) {
  std::vector<std::string> out;
  bool open = false, quoted = false;
  for (std::size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (c == '\\' && quoted && i + 1 < line.size()) {
      out.back() += line[++i];
    } else if (c == '"') {
      quoted = !quoted;
      if (!open) out.emplace_back();
      open = true;
    } else if (c == ' ' && !quoted) {
      open = false;
    } else {
      if (!open) out.emplace_back();
      open = true;
      out.back() += c;
    }
  }
  if (quoted) return fail("a quote is not closed");
  return out;
}

std::optional<std::uint32_t> mark_number(std::string_view text) {
  if (!text.starts_with("0x")) return base::parse_decimal<std::uint32_t>(text);
  std::uint32_t out = 0;
  const auto [end, error] = std::from_chars(text.data() + 2, text.data() + text.size(), out, 16);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return out;
}

Result<Parsed> parse_rule(const std::vector<std::string>& words, Space space, const Topology& topology) {
  return RuleParser(words, space, topology).run();
}

}  // namespace clawql::exposure::firewall::iptables
