// A listener as it was declared: where it listens, and who may reach it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "exposure/firewall/address.hpp"
#include "exposure/firewall/rules.hpp"

namespace clawql::exposure::firewall {

struct Listener {
  std::uint8_t protocol = 6;
  std::optional<Address> address;  // absent: every address of the families
  bool ipv4 = true, ipv6 = true;   // which families reach it
  std::uint16_t port = 0;
  std::string device;  // the socket is bound to this interface (SO_BINDTODEVICE); empty: to none
  // Who may: by these interfaces (empty: by `device`, else by any) and from these networks (empty: from any, when
  // interfaces or a device say something; see `sources_declared`).
  std::vector<std::string> interfaces;
  std::vector<Network> sources;
  bool sources_declared = false;  // false: the declaration says nothing about who may reach it

  bool is_loopback() const;
  bool uses(Family family) const { return family == Family::ipv4 ? ipv4 : ipv6; }
  std::vector<std::string> allowed_interfaces() const;  // empty: any
  std::string name() const;                             // "tcp 100.64.0.10:8080"
};

// Fills in families by the address ("*", "0.0.0.0", "::" or a literal address; "::ffff:1.2.3.4" is IPv4). An error says
// what is wrong.
Status set_address(Listener& listener, std::string_view text);

// (interface, source) boxes of those who may, without this host itself, which always may.
std::vector<Box> allowed_boxes(const Listener& listener, Family family);

}  // namespace clawql::exposure::firewall
