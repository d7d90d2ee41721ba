#include <algorithm>
#include <array>
#include <optional>

#include "base/decimal.hpp"
#include "exposure/firewall/address.hpp"
#include "exposure/firewall/offline.hpp"
#include "exposure/firewall/zone_tags.hpp"

namespace clawql::exposure::firewall {
namespace {

// Words that no rule language has: the reader of iptables-save counts them as not understood.
constexpr std::string_view kUnknown = " --clawql-not-in-the-zone-file ";

struct Entry {
  int priority = 0;
  bool denies = false;
  std::string match;  // "-s 1.2.3.4 -p tcp --dport 80"
};

struct Zone {
  std::string target = "DROP";
  std::vector<std::string> interfaces, sources;
  std::vector<Entry> entries;
};

bool is_plain(std::string_view text) {
  return !text.empty() && text.size() < 64 && text.find_first_of(" \t\r\n\"'\\!") == std::string_view::npos &&
         text[0] != '-';
}

class ZoneReader {
 public:
  ZoneReader(const std::vector<Tag>& tags, Family family) : tags_(tags), family_(family) {}

  Result<Zone> run() {
    if (tags_.front().name != "zone") return fail("this is no zone of firewalld");
    for (const Tag& tag : tags_) CLAWQL_CHECKED(read(tag));
    return std::move(zone_);
  }

 private:
  std::string attribute(const Tag& tag, const std::string& name) const {
    const auto found = tag.attributes.find(name);
    return found == tag.attributes.end() ? "" : found->second;
  }

  Status read(const Tag& tag) {
    if (tag.name == "zone" && tag.opens) {
      const std::string target = attribute(tag, "target");
      if (target == "ACCEPT") zone_.target = "ACCEPT";
      return {};
    }
    if (tag.name == "rule") return read_rule(tag);
    if (in_rule_) return read_rule_part(tag);
    if (!tag.opens) return {};
    if (tag.name == "interface") return take(attribute(tag, "name"), zone_.interfaces);
    if (tag.name == "source") {
      const std::string address = attribute(tag, "address");
      const auto network = parse_network(address);
      if (network && network->family != family_) return {};
      zone_.sources.push_back(network ? " -s " + address : std::string(kUnknown) + "source");
      return {};
    }
    if (tag.name == "port" || tag.name == "service" || tag.name == "protocol" || tag.name == "source-port") {
      Entry entry;
      CLAWQL_TRY(entry.match, match_of(tag));
      zone_.entries.push_back(std::move(entry));
    }
    if (tag.name == "forward-port")
      return fail("the zone has a forward-port, which is not read from files: look at the live rules");
    return {};
  }

  static Status take(const std::string& text, std::vector<std::string>& into) {
    if (!is_plain(text)) return fail("\"" + text + "\" is no name");
    into.push_back(text);
    return {};
  }

  Status read_rule(const Tag& tag) {
    if (tag.opens) {
      in_rule_ = true;
      other_family_ = false;
      rule_ = {};
      verdict_.reset();
      const std::string family = attribute(tag, "family");
      other_family_ = !family.empty() && family != (family_ == Family::ipv4 ? "ipv4" : "ipv6");
      std::string priority = attribute(tag, "priority");
      const bool negative = priority.starts_with('-');
      if (negative) priority.erase(0, 1);
      rule_.priority = static_cast<int>(base::parse_decimal<std::uint16_t>(priority).value_or(0)) * (negative ? -1 : 1);
    }
    if (tag.closes) {
      in_rule_ = false;
      if (!other_family_ && verdict_) {
        rule_.denies = *verdict_;
        zone_.entries.push_back(std::move(rule_));
      }
    }
    return {};
  }

  Status read_rule_part(const Tag& tag) {
    if (!tag.opens) return {};
    if (tag.name == "accept") verdict_ = false;
    if (tag.name == "drop" || tag.name == "reject") verdict_ = true;
    if (tag.name == "source" || tag.name == "destination") {
      const std::string address = attribute(tag, "address");
      const std::string invert = attribute(tag, "invert");
      const bool negated = invert == "True" || invert == "true" || invert == "yes";
      const auto network = parse_network(address);
      if (!network)
        rule_.match += std::string(kUnknown) + tag.name;
      else if (network->family != family_)
        other_family_ = true;
      else
        rule_.match += std::string(negated ? " !" : "") + (tag.name == "source" ? " -s " : " -d ") + address;
    }
    if (tag.name == "port" || tag.name == "service" || tag.name == "protocol" || tag.name == "source-port") {
      CLAWQL_TRY(const std::string match, match_of(tag));
      rule_.match += match;
    }
    if (tag.name == "forward-port" || tag.name == "icmp-type" || tag.name == "icmp-block" || tag.name == "masquerade" ||
        tag.name == "mark")
      verdict_.reset();
    return {};
  }

  Result<std::string> match_of(const Tag& tag) const {
    if (tag.name == "service") return std::string(kUnknown) + "service";
    if (tag.name == "protocol") {
      const std::string value = attribute(tag, "value");
      if (!is_plain(value)) return fail("a protocol without a value");
      return " -p " + value;
    }
    std::string port = attribute(tag, "port");
    const std::string protocol = attribute(tag, "protocol");
    std::ranges::replace(port, '-', ':');
    if (!is_plain(port) || !is_plain(protocol)) return fail("a port without number and protocol");
    return " -p " + protocol + (tag.name == "port" ? " --dport " : " --sport ") + port;
  }

  const std::vector<Tag>& tags_;
  const Family family_;
  Zone zone_;
  bool in_rule_ = false, other_family_ = false;
  Entry rule_;
  std::optional<bool> verdict_;  // true: denies
};

// The order in which firewalld lays rules: by priority; among those of 0 what denies comes first.
void sort_entries(std::vector<Entry>& entries) {
  std::vector<Entry> sorted;
  std::vector<int> priorities;
  priorities.reserve(entries.size());
  for (const Entry& entry : entries) priorities.push_back(entry.priority);
  std::ranges::sort(priorities);
  const auto end = std::ranges::unique(priorities).begin();
  for (auto at = priorities.begin(); at != end; ++at)
    for (const bool denies : {true, false})
      for (const Entry& entry : entries)
        if (entry.priority == *at && entry.denies == denies) sorted.push_back(entry);
  entries = std::move(sorted);
}

}  // namespace

Result<std::string> firewalld_as_save(const std::vector<std::pair<std::string, std::string>>& zones, Family family) {
  std::string chains = "*filter\n:INPUT DROP [0:0]\n", rules, by_source, by_interface;
  std::size_t number = 0;
  for (const auto& [file, text] : zones) {
    auto tags = tags_of(text);
    if (!tags) return std::unexpected(std::move(tags).error().in(file));
    auto zone = ZoneReader(*tags, family).run();
    if (!zone) return std::unexpected(std::move(zone).error().in(file));
    sort_entries(zone->entries);
    const std::string chain = "zone_" + std::to_string(number++);
    chains += ":" + chain + " - [0:0]\n";
    for (const Entry& entry : zone->entries)
      rules += "-A " + chain + entry.match + " -j " + (entry.denies ? "DROP" : "ACCEPT") + "\n";
    rules += "-A " + chain + " -j " + zone->target + "\n";
    for (const std::string& source : zone->sources) by_source += "-A INPUT" + source + " -g " + chain + "\n";
    for (const std::string& interface : zone->interfaces)
      by_interface += "-A INPUT -i " + interface + " -g " + chain + "\n";
  }
  return chains + "-A INPUT -i lo -j ACCEPT\n" + rules + by_source + by_interface + "-A INPUT -g zone_0\nCOMMIT\n";
}

}  // namespace clawql::exposure::firewall
