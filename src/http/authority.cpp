#include "http/authority.hpp"

#include <algorithm>

#include "base/decimal.hpp"
#include "http/characters.hpp"

namespace clawql::http {
namespace {

constexpr std::size_t kLongestLabel = 63;
constexpr std::size_t kLongestName = 253;

// LDH labels divided by single dots, perhaps one dot at the end. Dotted IPv4 is within that grammar; numbers are not
// looked at, because nothing here becomes an address.
bool is_label_name(std::string_view text) {
  if (text.ends_with('.')) text.remove_suffix(1);
  if (text.empty() || text.size() > kLongestName) return false;
  while (true) {
    const std::size_t dot = std::min(text.find('.'), text.size());
    const std::string_view label = text.substr(0, dot);
    if (label.empty() || label.size() > kLongestLabel || !all_are(kLabel, label)) return false;
    if (label.front() == '-' || label.back() == '-') return false;
    if (dot == text.size()) return true;
    text.remove_prefix(dot + 1);
  }
}

bool is_ipv4(std::string_view text) {
  for (int part = 0; part < 4; ++part) {
    const std::size_t dot = std::min(text.find('.'), text.size());
    if (!base::parse_decimal<std::uint8_t>(text.substr(0, dot))) return false;
    if ((dot == text.size()) != (part == 3)) return false;
    text.remove_prefix(std::min(dot + 1, text.size()));
  }
  return true;
}

// How many 16-bit groups the colon-divided text holds; an IPv4 tail, where it may stand, counts two. -1: malformed.
int count_groups(std::string_view text, bool may_end_in_ipv4) {
  if (text.empty()) return 0;
  int groups = 0;
  while (true) {
    const std::size_t colon = std::min(text.find(':'), text.size());
    const std::string_view group = text.substr(0, colon);
    const bool last = colon == text.size();
    if (last && may_end_in_ipv4 && group.contains('.')) return is_ipv4(group) ? groups + 2 : -1;
    if (group.empty() || group.size() > 4 || !all_are(kHexDigit, group)) return -1;
    ++groups;
    if (last) return groups;
    text.remove_prefix(colon + 1);
  }
}

// RFC 3986 section 3.2.2, IPv6address; no zone, no IPvFuture.
bool is_ipv6(std::string_view text) {
  const std::size_t gap = text.find("::");
  if (gap == std::string_view::npos) return count_groups(text, true) == 8;
  const int before = count_groups(text.substr(0, gap), false);
  const int after = count_groups(text.substr(gap + 2), true);
  return before >= 0 && after >= 0 && before + after <= 7;
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
  const auto port = base::parse_decimal<std::uint16_t>(text);
  return port && *port != 0 ? port : std::nullopt;
}

}  // namespace

std::optional<HostName> HostName::parse(std::string_view text) {
  const bool bracketed = text.size() > 2 && text.front() == '[' && text.back() == ']';
  if (bracketed ? !is_ipv6(text.substr(1, text.size() - 2)) : !is_label_name(text)) return std::nullopt;
  std::string name(text);
  std::ranges::transform(name, name.begin(), lower);
  return HostName(std::move(name));
}

std::optional<Authority> Authority::parse(std::string_view text) {
  std::size_t host_end = 0;
  if (text.starts_with('[')) {
    const std::size_t bracket = text.find(']');
    if (bracket == std::string_view::npos) return std::nullopt;
    host_end = bracket + 1;
  } else {
    host_end = std::min(text.find(':'), text.size());
  }
  auto host = HostName::parse(text.substr(0, host_end));
  if (!host) return std::nullopt;
  const std::string_view rest = text.substr(host_end);
  if (rest.empty()) return Authority{.host = *std::move(host), .port = std::nullopt};
  const auto port = rest.front() == ':' ? parse_port(rest.substr(1)) : std::nullopt;
  if (!port) return std::nullopt;
  return Authority{.host = *std::move(host), .port = port};
}

std::optional<Origin> Origin::parse(std::string_view text) {
  Scheme scheme = Scheme::http;
  std::string_view rest = text;
  if (text.starts_with("http://")) {
    rest.remove_prefix(7);
  } else if (text.starts_with("https://")) {
    scheme = Scheme::https;
    rest.remove_prefix(8);
  } else {
    return std::nullopt;
  }
  if (std::ranges::any_of(rest, [](char c) { return c >= 'A' && c <= 'Z'; })) return std::nullopt;
  auto authority = Authority::parse(rest);
  if (!authority || authority->host.text().ends_with('.')) return std::nullopt;
  return Origin{.scheme = scheme, .host = std::move(authority->host), .port = authority->port};
}

std::string Origin::text() const {
  std::string result(scheme == Scheme::http ? "http://" : "https://");
  result += host.text();
  if (port) result += ':' + std::to_string(*port);
  return result;
}

}  // namespace clawql::http
