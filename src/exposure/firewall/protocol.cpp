#include "exposure/firewall/protocol.hpp"

#include <array>
#include <utility>

#include "base/decimal.hpp"

namespace clawql::exposure::firewall {
namespace {

constexpr std::array<std::pair<std::string_view, std::uint8_t>, 17> kProtocols{{{"tcp", kTcp},
                                                                                {"udp", kUdp},
                                                                                {"icmp", 1},
                                                                                {"igmp", 2},
                                                                                {"ipencap", 4},
                                                                                {"ipv6", 41},
                                                                                {"gre", 47},
                                                                                {"esp", 50},
                                                                                {"ah", 51},
                                                                                {"ipv6-icmp", 58},
                                                                                {"icmpv6", 58},
                                                                                {"ospf", 89},
                                                                                {"pim", 103},
                                                                                {"vrrp", 112},
                                                                                {"dccp", 33},
                                                                                {"sctp", 132},
                                                                                {"udplite", 136}}};

}  // namespace

std::optional<std::uint8_t> protocol_number(std::string_view name) {
  for (const auto& [known, number] : kProtocols)
    if (known == name) return number;
  return base::parse_decimal<std::uint8_t>(name);
}

std::string_view protocol_name(std::uint8_t number) {
  for (const auto& [name, known] : kProtocols)
    if (known == number) return name;
  return {};
}

std::optional<unsigned> tcp_flag(std::string_view name) {
  constexpr std::array<std::string_view, 8> kFlags{"fin", "syn", "rst", "psh", "ack", "urg", "ecn", "cwr"};
  for (std::size_t i = 0; i < kFlags.size(); ++i)
    if (kFlags[i] == name) return 1U << i;
  if (name == "ece") return 1U << 6;
  return std::nullopt;
}

}  // namespace clawql::exposure::firewall
