#include "exposure/firewall/listener.hpp"

#include "exposure/firewall/protocol.hpp"

namespace clawql::exposure::firewall {
namespace {

constexpr Number kMapped = Number{0xffff} << 32;  // ::ffff:0.0.0.0

}  // namespace

bool Listener::is_loopback() const {
  if (!address) return false;
  return address->family == Family::ipv4 ? address->value >> 24 == 127 : address->value == 1;
}

std::vector<std::string> Listener::allowed_interfaces() const {
  if (!interfaces.empty()) return interfaces;
  if (!device.empty()) return {device};
  return {};
}

std::string Listener::name() const {
  std::string where = "*";
  if (address) {
    where = address_text(address->family, address->value);
    if (address->family == Family::ipv6) where = "[" + where + "]";
  } else if (!ipv6) {
    where = "0.0.0.0";
  } else if (!ipv4) {
    where = "[::]";
  }
  return std::string(protocol_name(protocol)) + " " + where + ":" + std::to_string(port);
}

Status set_address(Listener& listener, std::string_view text) {
  listener.address.reset();
  listener.ipv4 = listener.ipv6 = true;
  if (text.starts_with('[') && text.ends_with(']')) text = text.substr(1, text.size() - 2);
  // "::" may take IPv4 too: whether it does is the socket's own setting, so both are looked at.
  if (text == "*" || text == "::") return {};
  auto address = parse_address(text);
  if (!address)
    return fail("`address` wants an address, \"*\", \"0.0.0.0\" or \"::\", not \"" + std::string(text) + "\"");
  if (address->family == Family::ipv6 && address->value >> 32 == kMapped >> 32)
    address = Address{Family::ipv4, address->value & 0xffffffffU};
  listener.ipv4 = address->family == Family::ipv4;
  listener.ipv6 = !listener.ipv4;
  if (address->value != 0) listener.address = address;
  return {};
}

std::vector<Box> allowed_boxes(const Listener& listener, Family family) {
  if (!listener.sources_declared || listener.is_loopback()) return {};
  Box box(family);
  if (const auto names = listener.allowed_interfaces(); !names.empty()) {
    IntervalSet interfaces;
    for (const std::string& name : names)
      if (const auto number = interface_number(name)) interfaces = interfaces.united(IntervalSet::of(*number));
    box[Field::in_interface] = std::move(interfaces);
  }
  if (!listener.sources.empty()) {
    IntervalSet sources;
    for (const Network& network : listener.sources)
      if (network.family == family) sources = sources.united(IntervalSet(network.range.first, network.range.last));
    box[Field::source] = std::move(sources);
  }
  const bool nobody = listener.sources.empty() && listener.allowed_interfaces().empty();
  if (nobody || box.empty()) return {};
  return {box};
}

}  // namespace clawql::exposure::firewall
