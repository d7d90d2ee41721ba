#include "exposure/ports/surroundings.hpp"

#include <arpa/inet.h>
#include <dirent.h>
#include <fmt/format.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>

#include "exposure/ports/text.hpp"

namespace clawql::exposure::ports {
namespace {

std::string address_text(const sockaddr* address) {
  std::array<char, INET6_ADDRSTRLEN> room{};
  if (address == nullptr) return {};
  if (address->sa_family == AF_INET) {
    sockaddr_in four{};
    std::memcpy(&four, address, sizeof four);
    return ::inet_ntop(AF_INET, &four.sin_addr, room.data(), room.size());
  }
  if (address->sa_family != AF_INET6) return {};
  sockaddr_in6 six{};
  std::memcpy(&six, address, sizeof six);
  return ::inet_ntop(AF_INET6, &six.sin6_addr, room.data(), room.size());
}

std::string in_brackets(const std::string& space) {
  return space.empty() ? "" : "[" + space + "] ";
}

}  // namespace

Result<Links> read_links() {
  ifaddrs* raw = nullptr;
  if (::getifaddrs(&raw) != 0) return fail_system("getifaddrs");
  const std::unique_ptr<ifaddrs, void (*)(ifaddrs*)> list(raw, ::freeifaddrs);
  Links links;
  for (const ifaddrs* entry = list.get(); entry != nullptr; entry = entry->ifa_next) {
    const std::string name = entry->ifa_name;
    if (const std::string address = address_text(entry->ifa_addr); !address.empty()) links.interface_of[address] = name;
    const bool is_up = (entry->ifa_flags & IFF_UP) != 0 && (entry->ifa_flags & IFF_LOOPBACK) == 0;
    if (is_up && std::ranges::find(links.up, name) == links.up.end()) links.up.push_back(name);
  }
  return links;
}

void read_route_localnet(const std::string& space, std::vector<Finding>& ways, std::vector<Finding>& gaps) {
  const std::string folder = "/proc/sys/net/ipv4/conf";
  const std::unique_ptr<DIR, int (*)(DIR*)> open(::opendir(folder.c_str()), ::closedir);
  if (!open) {
    gaps.push_back({FindingId::view_incomplete, in_brackets(space) + "sysctl route_localnet",
                    in_brackets(space) + Error::system(folder).message, 1});
    return;
  }
  std::vector<std::string> names;
  while (const dirent* entry = ::readdir(open.get()))
    if (const std::string name = entry->d_name; !name.starts_with('.') && name != "lo") names.push_back(name);
  std::ranges::sort(names);
  for (const std::string& name : names) {
    const auto value = read_small_file(folder + "/" + name + "/route_localnet");
    const std::string subject =
        fmt::format("{}sysctl net.ipv4.conf.{}.route_localnet", in_brackets(space), printable_bytes(name));
    if (!value && value.error().system_errno == ENOENT) continue;  // the interface went
    if (!value)
      gaps.push_back({FindingId::view_incomplete, subject, value.error().message, 1});
    else if (!value->starts_with('0'))
      ways.push_back({FindingId::route_localnet, subject, subject + " is 1", 1});
  }
}

void judge_weak_host(const std::vector<Listener>& listeners, const std::string& space, const Links& links,
                     std::vector<Finding>& ways) {
  for (const Listener& listener : listeners) {
    const Place& place = listener.place;
    if (place.space != space || is_unix(place.protocol) || place.is_any() || place.is_loopback()) continue;
    if (!place.device.empty() || place.address.starts_with("fe80:")) continue;
    const auto owner = links.interface_of.find(place.address);
    if (owner == links.interface_of.end()) continue;
    std::string others;
    for (const std::string& name : links.up)
      if (name != owner->second) others += (others.empty() ? "" : ", ") + name;
    if (others.empty()) continue;
    const std::string text = fmt::format("{}: the address belongs to {}, but answers on {} as well", place.text(),
                                         owner->second, printable_bytes(others));
    ways.push_back({FindingId::weak_host, place.text(), text, 1});
  }
}

}  // namespace clawql::exposure::ports
