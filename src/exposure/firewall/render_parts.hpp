// What the backends share. Internal to the renderers.
#pragma once

#include <string>
#include <vector>

#include "exposure/firewall/render.hpp"

namespace clawql::exposure::firewall::parts {

// One family of one listener: its own rules are self-contained (what may, then what may not).
struct Target {
  const Listener* listener;
  Family family;
  std::string address;                  // "" for any
  std::vector<std::string> sources;     // of this family; empty: any source
  std::vector<std::string> interfaces;  // empty: any
  bool nobody = false;                  // no one of this family may
};

// Those that rules are made for: not loopback ones (see wants_loopback_guard; a container's published port on loopback
// has a way around it) and not those whose declaration names nobody. Listeners on one address stand before those on
// any.
enum class Loopback : std::uint8_t { left_out, taken };
std::vector<Target> targets_of(const std::vector<Listener>& listeners, Loopback loopback = Loopback::left_out);
bool wants_loopback_guard(const std::vector<Listener>& listeners);
// A VPN's address: all that comes to it must come by the VPN (the weak host model would take it from anywhere).
bool is_vpn(const Target& target);
// Lines "# …" that say what the rules are for and which listeners are left out.
std::string heading(const std::vector<Listener>& listeners);
std::string protocol_of(const Target& target);
std::string port_of(const Target& target);
// In single quotes, for sh.
std::string quoted(std::string_view text);

std::string nftables(const std::vector<Listener>& listeners);
std::string iptables(const std::vector<Listener>& listeners);
std::string ufw(const std::vector<Listener>& listeners);
std::string firewalld(const std::vector<Listener>& listeners);
std::string docker(const std::vector<Listener>& listeners, const RenderOptions& options);

std::string nftables_removal();
std::string iptables_removal();
std::string ufw_removal();
std::string firewalld_removal();
std::string docker_removal();

}  // namespace clawql::exposure::firewall::parts
