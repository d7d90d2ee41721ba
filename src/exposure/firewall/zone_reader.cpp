#include "exposure/firewall/zone_reader.hpp"

#include <algorithm>
#include <array>
#include <optional>

#include "base/decimal.hpp"
#include "exposure/firewall/address.hpp"

namespace clawql::exposure::firewall {
namespace {

bool is_plain(std::string_view text) {
  return !text.empty() && text.size() < 64 && text.find_first_of(" \t\r\n\"'\\!") == std::string_view::npos &&
         text[0] != '-';
}

class ZoneReader {
 public:
  ZoneReader(const std::vector<Tag>& tags, Family family) : tags_(tags), family_(family) {}

  Result<ZoneFile> run() {
    zone_.is_policy = tags_.front().name == "policy";
    if (tags_.front().name != "zone" && !zone_.is_policy) return fail("this is no zone or policy of firewalld");
    for (const Tag& tag : tags_) CLAWQL_CHECKED(read(tag));
    return std::move(zone_);
  }

 private:
  std::string attribute(const Tag& tag, const std::string& name) const {
    const auto found = tag.attributes.find(name);
    return found == tag.attributes.end() ? "" : found->second;
  }

  Status read(const Tag& tag) {
    if ((tag.name == "zone" || tag.name == "policy") && tag.opens) {
      zone_.target_accepts = attribute(tag, "target") == "ACCEPT";
      return {};
    }
    if (tag.name == "rule") return read_rule(tag);
    if (in_rule_) return read_rule_part(tag);
    if (!tag.opens) return {};
    if (tag.name == "interface") return take(attribute(tag, "name"), zone_.interfaces);
    if (tag.name == "egress-zone") zone_.concerns_host = zone_.concerns_host || attribute(tag, "name") == "HOST";
    if (tag.name == "source") {
      const std::string address = attribute(tag, "address");
      const auto network = parse_network(address);
      if (network && network->family != family_) return {};
      zone_.sources.push_back(network ? " -s " + address : std::string(kNotInZoneFile) + "source");
      return {};
    }
    if (tag.name == "port" || tag.name == "service" || tag.name == "protocol" || tag.name == "source-port") {
      ZoneFile::Entry entry;
      CLAWQL_TRY(entry.match, match_of(tag));
      zone_.entries.push_back(std::move(entry));
    }
    if (tag.name != "forward-port") return {};
    // What belongs to no rule is for IPv4, unless it leads to an IPv6 address.
    ZoneFile::Entry entry;
    CLAWQL_TRY(const bool of_other_family, read_forward(tag, entry));
    const bool six = attribute(tag, "to-addr").find(':') != std::string::npos;
    if (!of_other_family && six == (family_ == Family::ipv6)) zone_.forwards.push_back(std::move(entry));
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
      rule_.rich = true;
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
      if (!other_family_ && !rule_.target.empty()) {
        zone_.forwards.push_back(std::move(rule_));
      } else if (!other_family_ && verdict_) {
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
        rule_.match += std::string(kNotInZoneFile) + tag.name;
      else if (network->family != family_)
        other_family_ = true;
      else
        rule_.match += std::string(negated ? " !" : "") + (tag.name == "source" ? " -s " : " -d ") + address;
    }
    if (tag.name == "port" || tag.name == "service" || tag.name == "protocol" || tag.name == "source-port") {
      CLAWQL_TRY(const std::string match, match_of(tag));
      rule_.match += match;
    }
    if (tag.name == "forward-port") {
      CLAWQL_TRY(const bool of_other_family, read_forward(tag, rule_));
      other_family_ = other_family_ || of_other_family;
    }
    if (tag.name == "icmp-type" || tag.name == "icmp-block" || tag.name == "masquerade" || tag.name == "mark")
      verdict_.reset();
    return {};
  }

  // true: it leads to an address of the other family.
  Result<bool> read_forward(const Tag& tag, ZoneFile::Entry& into) const {
    std::string port = attribute(tag, "port");
    const std::string protocol = attribute(tag, "protocol");
    std::ranges::replace(port, '-', ':');
    if (!is_plain(port) || !is_plain(protocol)) return fail("a forward-port without port and protocol");
    into.match += " -p " + protocol + " --dport " + port;
    const std::string to_port = attribute(tag, "to-port"), to = attribute(tag, "to-addr");
    if (to.empty() && to_port.empty()) return fail("a forward-port that leads nowhere");
    if (!to_port.empty() && !is_plain(to_port)) return fail("\"" + to_port + "\" is no port");
    if (to.empty()) {
      into.target = "REDIRECT --to-ports " + to_port;
      return false;
    }
    const auto address = parse_address(to);
    if (!address) return fail("the forward-port to \"" + to + "\": this is no address");
    const std::string host = address->family == Family::ipv6 ? "[" + to + "]" : to;
    into.target = "DNAT --to-destination " + host + (to_port.empty() ? "" : ":" + to_port);
    return address->family != family_;
  }

  Result<std::string> match_of(const Tag& tag) const {
    if (tag.name == "service") return std::string(kNotInZoneFile) + "service";
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
  ZoneFile zone_;
  bool in_rule_ = false, other_family_ = false;
  ZoneFile::Entry rule_;
  std::optional<bool> verdict_;  // true: denies
};

}  // namespace

Result<ZoneFile> read_zone(const std::vector<Tag>& tags, Family family) {
  return ZoneReader(tags, family).run();
}

}  // namespace clawql::exposure::firewall
