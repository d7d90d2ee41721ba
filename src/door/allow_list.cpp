#include "door/allow_list.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/log.hpp"

namespace clawql::door {
namespace {

constexpr std::array<std::string_view, 3> kLoopbackNames{"localhost", "127.0.0.1", "[::1]"};
// Addresses that mean "this machine, whichever": a page can reach a loopback listener through them ("0.0.0.0-day").
constexpr std::array<std::string_view, 3> kUnspecified{"0.0.0.0", "0", "[::]"};
constexpr std::size_t kShownBytes = 256;  // of an offered value

template <std::size_t N>
bool contains(const std::array<std::string_view, N>& list, std::string_view value) {
  return std::ranges::find(list, value) != list.end();
}

Result<std::string> checked_host(const std::string& entry) {
  // An IPv6 address is written without brackets in the configuration and with them in Host.
  const bool bare_ipv6 = entry.find(':') != std::string::npos && !entry.starts_with('[');
  const std::string text = bare_ipv6 ? fmt::format("[{}]", entry) : entry;
  const auto host = http::HostName::parse(text);
  if (!host) return fail(fmt::format("allowedHosts: \"{}\" is not an exact host name without port", entry));
  if (contains(kUnspecified, host->text()))
    return fail(fmt::format("allowedHosts: \"{}\" is the unspecified address, which stands for every host", entry));
  return std::string(host->text());
}

// scheme://something, without path, wildcard or blank. Custom schemes (`vscode-webview://…`) are lawful when exact.
Status check_origin(const std::string& entry) {
  if (http::Origin::parse(entry)) return {};
  const std::size_t colon = entry.find("://");
  const std::string_view rest =
      colon == std::string::npos ? std::string_view() : std::string_view(entry).substr(colon + 3);
  const bool web = entry.starts_with("http:") || entry.starts_with("https:");
  const auto exact = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_' || c == ':';
  };
  if (web || colon == 0 || rest.empty() || !std::ranges::all_of(rest, exact))
    return fail(fmt::format("allowedOrigins: \"{}\" is not an exact scheme://host[:port]", entry));
  const auto scheme = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '+' || c == '.';
  };
  if (!std::ranges::all_of(std::string_view(entry).substr(0, colon), scheme))
    return fail(fmt::format("allowedOrigins: \"{}\" is not an exact scheme://host[:port]", entry));
  return {};
}

std::string line(std::string_view key, std::string_view offered, std::string_view path) {
  std::string text = fmt::format("{}: [", key);
  base::append_json_string(text, offered, kShownBytes);
  return fmt::format("{}] in {}", text, path.empty() ? "the configuration file" : path);
}

}  // namespace

Result<std::shared_ptr<const AllowList>> AllowList::make(const std::vector<std::string>& hosts,
                                                         const std::optional<std::vector<std::string>>& origins,
                                                         std::string config_path) {
  std::shared_ptr<AllowList> list(new AllowList);
  list->hosts_.assign(kLoopbackNames.begin(), kLoopbackNames.end());
  for (const std::string& entry : hosts) {
    CLAWQL_TRY(std::string host, checked_host(entry));
    list->hosts_.push_back(std::move(host));
  }
  std::ranges::sort(list->hosts_);
  if (origins)
    for (const std::string& entry : *origins) CLAWQL_CHECKED(check_origin(entry));
  list->origins_ = origins;
  list->config_path_ = std::move(config_path);
  return std::shared_ptr<const AllowList>(std::move(list));
}

bool AllowList::allows_host(const http::HostName& host) const {
  return std::ranges::binary_search(hosts_, host.text());
}

bool AllowList::allows_origin(std::string_view value) const {
  if (lists_origin(value)) return true;
  const auto origin = http::Origin::parse(value);
  if (!origin) return false;
  if (contains(kLoopbackNames, origin->host.text())) return true;
  return !origins_ && allows_host(origin->host);
}

bool AllowList::lists_origin(std::string_view value) const {
  return origins_ && std::ranges::find(*origins_, value) != origins_->end();
}

std::string AllowList::line_for_host(std::string_view offered) const {
  return line("allowedHosts", offered, config_path_);
}

std::string AllowList::line_for_origin(std::string_view offered) const {
  return line("allowedOrigins", offered, config_path_);
}

}  // namespace clawql::door
