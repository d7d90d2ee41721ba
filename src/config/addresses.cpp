// The part of names.hpp that knows addresses.
#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>

#include "base/decimal.hpp"
#include "config/names.hpp"
#include "config/problems.hpp"

namespace clawql::config {
namespace {

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

std::optional<in6_addr> parse_ipv6(const std::string& text) {
  in6_addr address{};
  if (inet_pton(AF_INET6, text.c_str(), &address) != 1) return std::nullopt;
  return address;
}

std::string ipv6_text(const in6_addr& address) {
  std::array<char, INET6_ADDRSTRLEN> buffer{};
  if (inet_ntop(AF_INET6, &address, buffer.data(), buffer.size()) == nullptr) return {};
  return buffer.data();
}

// The unspecified address: as IPv6, mapped (::ffff:0.0.0.0) or compatible.
bool is_unspecified(const in6_addr& address) {
  const auto* bytes = static_cast<const std::uint8_t*>(address.s6_addr);
  const bool head_is_zero = std::all_of(bytes, bytes + 10, [](std::uint8_t b) { return b == 0; });
  const bool tail_is_zero = std::all_of(bytes + 12, bytes + 16, [](std::uint8_t b) { return b == 0; });
  const bool mapped_or_zero = (bytes[10] == 0 && bytes[11] == 0) || (bytes[10] == 0xff && bytes[11] == 0xff);
  return head_is_zero && mapped_or_zero && tail_is_zero;
}

struct Bind {
  bool is_address = false;
  bool is_wildcard = false;
};

// `text` without port. inet_aton on purpose: it is what reads "0", "00" and "0x0" as 0.0.0.0 elsewhere.
Bind classify(std::string text) {
  if (text.starts_with('[') && text.ends_with(']')) text = text.substr(1, text.size() - 2);
  if (text.empty() || text == "*" || text == "any" || text == "all" || text == "+") return {false, true};
  if (const auto zone = text.find('%'); zone != std::string::npos) text.resize(zone);
  if (const auto address = parse_ipv6(text)) return {true, is_unspecified(*address)};
  in_addr address{};
  const bool blank = text.find_first_of(" \t\r\n\v\f") != std::string::npos;  // inet_aton stops at blanks
  if (!blank && inet_aton(text.c_str(), &address) != 0) return {true, address.s_addr == 0};
  return {};
}

std::string without_port(const std::string& text) {
  const auto colon = text.rfind(':');
  if (colon == std::string::npos || colon + 1 == text.size()) return text;
  if (text.find(':') != colon && text[colon - 1] != ']') return text;  // an IPv6 address
  const bool digits = std::ranges::all_of(text.substr(colon + 1), [](char c) { return c >= '0' && c <= '9'; });
  return digits ? text.substr(0, colon) : text;
}

bool is_ldh_name(std::string_view name) {
  if (name.empty() || name.size() > 253) return false;
  while (true) {
    const auto dot = name.find('.');
    const std::string_view label = name.substr(0, dot);
    const bool letters =
        std::ranges::all_of(label, [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; });
    if (label.empty() || label.size() > 63 || !letters || label.front() == '-' || label.back() == '-') return false;
    if (dot == std::string_view::npos) return true;
    name.remove_prefix(dot + 1);
  }
}

// A last label of digits (or hexadecimal ones) makes browsers read the whole as an IPv4 address.
bool ends_in_number(std::string_view name) {
  const auto dot = name.rfind('.');
  const std::string_view label = dot == std::string_view::npos ? name : name.substr(dot + 1);
  if (label.empty()) return false;
  if (label.starts_with("0x"))
    return std::ranges::all_of(label.substr(2),
                               [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
  return std::ranges::all_of(label, [](char c) { return c >= '0' && c <= '9'; });
}

Result<std::string> parse_ipv6_host(std::string text) {
  if (text.starts_with('[') && text.ends_with(']')) text = text.substr(1, text.size() - 2);
  if (text.find('%') != std::string::npos) return fail("a host has no zone: leave out \"%\" and what follows");
  const auto address = parse_ipv6(text);
  if (!address) return fail("wants a host name or an address without port, not " + quote(text));
  if (is_unspecified(*address)) return fail("the unspecified address is no host: browsers reach loopback by it");
  return "[" + ipv6_text(*address) + "]";
}

}  // namespace

Status check_bind(std::string_view bind) {
  const std::string text = lower(bind);
  if (text == "loopback") return {};
  const bool addressed = text.starts_with("address:");
  const std::string host = without_port(addressed ? text.substr(8) : text);
  const Bind kind = classify(host);
  const Bind whole = classify(addressed ? text.substr(8) : text);
  if (kind.is_wildcard || whole.is_wildcard)
    return fail(quote(bind) + " means every interface, which the gateway never listens on: write `loopback`");
  if (text == "tailscale" || addressed || text.starts_with("interface:"))
    return fail(quote(bind) + " is not yet supported: write `loopback`");
  if (kind.is_address || whole.is_address)
    return fail(quote(bind) + " is an address: write `loopback` (`address:IP` is not yet supported)");
  return fail(quote(bind) + " could be a name that resolves to any address, so names are refused: write `loopback`");
}

Result<std::string> parse_allowed_host(std::string_view given) {
  std::string text = lower(given);
  if (text.empty()) return fail("wants a host name, not an empty text");
  if (text.find('*') != std::string::npos)
    return fail("wildcards are refused: list each host that clients use, instead of " + quote(given));
  if (text.find("://") != std::string::npos)
    return fail("wants a host alone, without \"scheme://\", not " + quote(given));
  if (text.find('/') != std::string::npos) return fail("wants a host alone, without a path, not " + quote(given));
  if (text.starts_with('[') || std::ranges::count(text, ':') > 1) {
    if (text.starts_with('[') && !text.ends_with(']'))
      return fail("wants a host without port, not " + quote(given) + " (any port of an allowed host is allowed)");
    return parse_ipv6_host(text);
  }
  if (text.find(':') != std::string::npos)
    return fail("wants a host without port, not " + quote(given) + " (any port of an allowed host is allowed)");
  if (text.ends_with('.')) return fail("leave out the dot at the end of " + quote(given));
  if (!is_ldh_name(text)) return fail("wants a host name of letters, digits, \"-\" and \".\", not " + quote(given));
  if (!ends_in_number(text)) return text;
  in_addr address{};
  if (inet_pton(AF_INET, text.c_str(), &address) != 1)
    return fail("wants an address as four decimal numbers, not " + quote(given));
  if (address.s_addr == 0) return fail("0.0.0.0 is no host: browsers reach loopback by it");
  return text;
}

Result<std::string> parse_allowed_origin(std::string_view given) {
  const std::string text = lower(given);
  if (text == "null") return fail("\"null\" is what any sandboxed page sends, so it is refused");
  if (text == "*" || text.find('*') != std::string::npos)
    return fail("wildcards are refused: list each scheme://host[:port], instead of " + quote(given));
  const bool https = text.starts_with("https://");
  if (!https && !text.starts_with("http://"))
    return fail("wants http://host[:port] or https://host[:port], not " + quote(given));
  const std::string rest = text.substr(https ? 8 : 7);
  if (rest.find_first_of("/?#@") != std::string::npos)
    return fail("an origin ends with the host or port: leave out what follows, in " + quote(given));
  std::string host = rest;
  std::string port;
  const auto colon = rest.rfind(':');
  const auto bracket = rest.rfind(']');
  if (colon != std::string::npos && (bracket == std::string::npos || colon > bracket)) {
    host = rest.substr(0, colon);
    port = rest.substr(colon + 1);
    const auto number = base::parse_decimal<std::uint16_t>(port);
    if (!number || *number == 0) return fail("wants a port from 1 to 65535 in " + quote(given));
    if (*number == (https ? 443 : 80))
      return fail("browsers leave out port " + port + " of " + quote(given) +
                  ", so it would never match: leave it out");
  }
  if (host.find(':') != std::string::npos && !host.starts_with('['))
    return fail("an IPv6 address stands in brackets: http://[::1]:8080");
  CLAWQL_TRY(const std::string canonical, parse_allowed_host(host));
  return (https ? "https://" : "http://") + canonical + (port.empty() ? "" : ":" + port);
}

}  // namespace clawql::config
