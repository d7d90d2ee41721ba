#include "exposure/firewall/render.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "exposure/firewall/protocol.hpp"
#include "exposure/firewall/render_parts.hpp"

namespace clawql::exposure::firewall {
namespace {

constexpr std::array<std::pair<std::string_view, Backend>, 5> kBackends{{{"nftables", Backend::nftables},
                                                                         {"iptables", Backend::iptables},
                                                                         {"ufw", Backend::ufw},
                                                                         {"firewalld", Backend::firewalld},
                                                                         {"docker", Backend::docker}}};

bool is_plain_name(std::string_view name) {
  return !name.empty() && name.size() <= 15 && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
           c == '-' || c == '@';
  });
}

Status check(const std::vector<Listener>& listeners) {
  for (const Listener& listener : listeners) {
    if (listener.protocol != kTcp && listener.protocol != kUdp)
      return fail(listener.name() + ": only tcp and udp can be rendered");
    for (const std::string& name : listener.allowed_interfaces())
      if (!is_plain_name(name))
        return fail(listener.name() + ": \"" + name + "\" is no interface name that can stand in every rule language");
  }
  return {};
}

}  // namespace

std::optional<Backend> backend_of(std::string_view name) {
  for (const auto& [known, backend] : kBackends)
    if (known == name) return backend;
  return std::nullopt;
}

std::string_view name_of(Backend backend) {
  for (const auto& [name, known] : kBackends)
    if (known == backend) return name;
  return {};
}

Result<std::string> render(Backend backend, const std::vector<Listener>& listeners, const RenderOptions& options) {
  CLAWQL_CHECKED(check(listeners));
  switch (backend) {
    case Backend::nftables: return parts::nftables(listeners);
    case Backend::iptables: return parts::iptables(listeners);
    case Backend::ufw: return parts::ufw(listeners);
    case Backend::firewalld: return parts::firewalld(listeners);
    case Backend::docker: return parts::docker(listeners, options);
  }
  return fail("no such backend");
}

std::string render_removal(Backend backend) {
  switch (backend) {
    case Backend::nftables: return parts::nftables_removal();
    case Backend::iptables: return parts::iptables_removal();
    case Backend::ufw: return parts::ufw_removal();
    case Backend::firewalld: return parts::firewalld_removal();
    case Backend::docker: return parts::docker_removal();
  }
  return {};
}

namespace parts {

std::vector<Target> targets_of(const std::vector<Listener>& listeners, Loopback loopback) {
  std::vector<Target> out;
  for (const Listener& listener : listeners) {
    if (listener.is_loopback() ? loopback == Loopback::left_out : !listener.sources_declared) continue;
    for (const Family family : {Family::ipv4, Family::ipv6}) {
      if (!listener.uses(family)) continue;
      Target target{&listener, family, {}, {}, listener.allowed_interfaces()};
      if (listener.address) target.address = address_text(family, listener.address->value);
      IntervalSet sources;
      for (const Network& network : listener.sources)
        if (network.family == family) sources = sources.united(IntervalSet(network.range.first, network.range.last));
      for (const Interval& range : sources.intervals()) {
        // network_text() joins the networks of one range with ", ".
        std::string text = network_text(family, range);
        for (std::size_t comma; (comma = text.find(", ")) != std::string::npos; text.erase(0, comma + 2))
          target.sources.push_back(text.substr(0, comma));
        target.sources.push_back(text);
      }
      target.nobody = allowed_boxes(listener, family).empty();
      out.push_back(std::move(target));
    }
  }
  std::vector<Target> sorted;
  for (const bool on_any : {false, true})
    for (const Target& target : out)
      if (target.address.empty() == on_any) sorted.push_back(target);
  return sorted;
}

bool wants_loopback_guard(const std::vector<Listener>& listeners) {
  return std::ranges::any_of(listeners, [](const Listener& one) { return one.is_loopback() && one.ipv4; });
}

bool is_vpn(const Target& target) {
  constexpr std::array<std::string_view, 6> kNames{"tailscale", "wg", "tun", "zt", "nebula", "utun"};
  return !target.address.empty() && !target.interfaces.empty() &&
         std::ranges::all_of(target.interfaces, [&](const std::string& name) {
           return std::ranges::any_of(kNames, [&](std::string_view prefix) { return name.starts_with(prefix); });
         });
}

std::string heading(const std::vector<Listener>& listeners) {
  std::string out =
      "# Rules of ClawQL Gateway for the declared listeners. Made by `clawql firewall render`: applying them again\n"
      "# changes nothing, and `clawql firewall remove` takes away exactly these.\n";
  for (const Listener& listener : listeners)
    if (!listener.is_loopback() && !listener.sources_declared)
      out += "# " + listener.name() + " is left alone: its declaration names no `sources` and no `interfaces`.\n";
  return out;
}

std::string protocol_of(const Target& target) {
  return std::string(protocol_name(target.listener->protocol));
}
std::string port_of(const Target& target) {
  return std::to_string(target.listener->port);
}

std::string quoted(std::string_view text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

}  // namespace parts
}  // namespace clawql::exposure::firewall
