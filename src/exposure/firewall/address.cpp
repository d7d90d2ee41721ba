#include "exposure/firewall/address.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <bit>
#include <vector>

#include "base/decimal.hpp"

namespace clawql::exposure::firewall {
namespace {

constexpr std::size_t kNameBytes = 15;

unsigned bits_of(Family family) {
  return family == Family::ipv4 ? 32 : 128;
}

Number low_bits(unsigned count) {
  return count >= 128 ? ~Number{0} : (Number{1} << count) - 1;
}

std::optional<unsigned> prefix_length(std::string_view text, Family family) {
  if (const auto length = base::parse_decimal<std::uint8_t>(text))
    return *length <= bits_of(family) ? std::optional<unsigned>(*length) : std::nullopt;
  const auto mask = parse_address(text);
  if (!mask || mask->family != family) return std::nullopt;
  const Number inverse = ~mask->value & low_bits(bits_of(family));
  if ((inverse & (inverse + 1)) != 0) return std::nullopt;
  unsigned zeros = 0;
  while (zeros < bits_of(family) && (inverse >> zeros & 1) != 0) ++zeros;
  return bits_of(family) - zeros;
}

std::string name_text(Number value) {
  std::string out;
  for (unsigned shift = 120; shift > 0; shift -= 8) {
    const auto byte = static_cast<char>(static_cast<unsigned char>(value >> shift & 0xff));
    if (byte == 0) break;
    out += byte >= 0x21 && byte < 0x7f ? byte : '?';
  }
  return out;
}

// The name of one interval: a name, "eth*" where it is all names with a prefix, "" where it is neither.
std::string one_interval(const Interval& range) {
  if (range.first == range.last) return name_text(range.first);
  const std::string prefix = name_text(range.first);
  const auto all = interface_set(prefix, true);
  if (!prefix.empty() && all && all->intervals()[0] == range) return prefix + "*";
  return {};
}

}  // namespace

std::optional<Address> parse_address(std::string_view text) {
  std::string copy(text);
  if (copy.size() > 64 || copy.find('\0') != std::string::npos) return std::nullopt;
  in_addr four{};
  if (inet_pton(AF_INET, copy.c_str(), &four) == 1) return Address{Family::ipv4, ntohl(four.s_addr)};
  in6_addr six{};
  if (inet_pton(AF_INET6, copy.c_str(), &six) != 1) return std::nullopt;
  Number value = 0;
  for (const std::uint8_t byte : six.s6_addr) value = value << 8 | byte;
  return Address{Family::ipv6, value};
}

Interval prefix_range(Address address, unsigned length) {
  const Number host = low_bits(bits_of(address.family) - length);
  return {address.value & ~host, address.value | host};
}

std::optional<Network> parse_network(std::string_view text) {
  if (const auto dash = text.find('-'); dash != std::string_view::npos) {
    const auto first = parse_address(text.substr(0, dash));
    const auto last = parse_address(text.substr(dash + 1));
    if (!first || !last || first->family != last->family || last->value < first->value) return std::nullopt;
    return Network{first->family, {first->value, last->value}};
  }
  const auto slash = text.find('/');
  const auto address = parse_address(text.substr(0, slash));
  if (!address) return std::nullopt;
  if (slash == std::string_view::npos) return Network{address->family, {address->value, address->value}};
  const auto length = prefix_length(text.substr(slash + 1), address->family);
  if (!length) return std::nullopt;
  return Network{address->family, prefix_range(*address, *length)};
}

std::string address_text(Family family, Number value) {
  std::array<char, INET6_ADDRSTRLEN> buffer{};
  if (family == Family::ipv4) {
    in_addr four{htonl(static_cast<std::uint32_t>(value))};
    return inet_ntop(AF_INET, &four, buffer.data(), buffer.size());
  }
  in6_addr six{};
  for (std::size_t i = 0; i < 16; ++i) six.s6_addr[i] = static_cast<std::uint8_t>(value >> (120 - 8 * i) & 0xff);
  return inet_ntop(AF_INET6, &six, buffer.data(), buffer.size());
}

std::string network_text(Family family, const Interval& range) {
  std::vector<std::string> parts;
  Number first = range.first;
  while (parts.size() <= 3) {
    // The longest block that begins here and does not reach beyond the end.
    unsigned host = 0;
    while (host < bits_of(family) && (first & low_bits(host + 1)) == 0 && low_bits(host + 1) <= range.last - first)
      ++host;
    std::string part = address_text(family, first);
    if (host > 0) part += "/" + std::to_string(bits_of(family) - host);
    parts.push_back(std::move(part));
    const Number last = first + low_bits(host);
    if (last == range.last) break;
    first = last + 1;
  }
  if (parts.size() > 3) return address_text(family, range.first) + "-" + address_text(family, range.last);
  std::string out;
  for (const std::string& part : parts) out += (out.empty() ? "" : ", ") + part;
  return out;
}

std::string networks_text(Family family, const IntervalSet& set) {
  const IntervalSet& all = all_of(Field::source, family);
  if (set == all) return "anywhere";
  const IntervalSet rest = all.without(set);
  const bool as_rest = rest.intervals().size() < set.intervals().size();
  std::string out;
  for (const Interval& one : (as_rest ? rest : set).intervals())
    out += (out.empty() ? "" : ", ") + network_text(family, one);
  return as_rest ? "anywhere but " + out : out;
}

std::optional<Number> interface_number(std::string_view name) {
  if (name.size() > kNameBytes || name.find('\0') != std::string_view::npos) return std::nullopt;
  Number value = 0;
  for (const char c : name) value = value << 8 | static_cast<unsigned char>(c);
  for (std::size_t i = name.size(); i < 16; ++i) value <<= 8;
  return value;
}

std::optional<IntervalSet> interface_set(std::string_view name, bool wildcard) {
  const auto first = interface_number(name);
  if (!first) return std::nullopt;
  if (!wildcard) return IntervalSet::of(*first);
  return IntervalSet(*first, *first | low_bits(static_cast<unsigned>(8 * (16 - name.size()))));
}

std::string interfaces_text(const IntervalSet& set) {
  const IntervalSet& all = all_of(Field::in_interface, Family::ipv4);
  if (set == all) return "any interface";
  std::string names;
  const auto list = [&names](const IntervalSet& intervals) {
    names.clear();
    for (const Interval& one : intervals.intervals()) {
      const std::string name = one_interval(one);
      if (name.empty()) return false;
      names += (names.empty() ? "" : ", ") + name;
    }
    return true;
  };
  if (list(set)) return names;
  if (list(all.without(set))) return "any interface but " + names;
  return "some interfaces";  // holes inside a wildcard: rare, and said whole in the JSON output
}

}  // namespace clawql::exposure::firewall
