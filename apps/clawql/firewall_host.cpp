// The rules and the host as they are: what `clawql firewall` reads from the running system.
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <memory>

#include "files.hpp"
#include "firewall.hpp"
#include "os/spawn.hpp"

namespace clawql::cli {
namespace {

constexpr std::size_t kMaxOutput = 64U << 20;

Result<os::Fd> text_as_file(const std::string& text) {
  os::Fd file(::memfd_create("clawql-input", MFD_CLOEXEC));
  if (file.get() < 0) return fail_system("memfd_create");
  for (std::size_t done = 0; done < text.size();) {
    const ssize_t wrote = ::write(file.get(), text.data() + done, text.size() - done);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return fail_system("write");
    done += static_cast<std::size_t>(wrote);
  }
  if (::lseek(file.get(), 0, SEEK_SET) < 0) return fail_system("lseek");
  return file;
}

// Both ends until they close.
Status read_both(std::array<os::Fd, 2>& ends, std::array<std::string*, 2> texts) {
  std::array<char, 65536> buffer;
  while (ends[0].get() >= 0 || ends[1].get() >= 0) {
    std::array<pollfd, 2> waiting{{{ends[0].get(), POLLIN, 0}, {ends[1].get(), POLLIN, 0}}};
    if (::poll(waiting.data(), waiting.size(), -1) < 0 && errno != EINTR) return fail_system("poll");
    for (std::size_t i = 0; i < ends.size(); ++i) {
      if (ends[i].get() < 0 || waiting[i].revents == 0) continue;
      const ssize_t got = ::read(ends[i].get(), buffer.data(), buffer.size());
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return fail_system("read");
      if (got == 0) {
        ends[i] = os::Fd();
        continue;
      }
      texts[i]->append(buffer.data(), static_cast<std::size_t>(got));
      if (texts[i]->size() > kMaxOutput) return fail("more than 64 MiB of output");
    }
  }
  return {};
}

std::string first_line(const std::string& text) {
  return text.substr(0, text.find('\n'));
}

Result<std::string> output_of(const std::string& name, const std::vector<std::string>& arguments) {
  const std::string path = find_program(name);
  if (path.empty()) return fail(name + " is not on this host");
  CLAWQL_TRY(ProgramOutput out, run_program(path, arguments));
  if (out.status != 0) return fail(name + " failed (" + std::to_string(out.status) + "): " + first_line(out.errors));
  return std::move(out.output);
}

// Of the tables that can be read so. Others may write into the same tables what iptables has no words for (tailscaled
// does), and then iptables-save gives up: such a table is left to nft.
Result<std::string> saved_tables(const std::string& save) {
  if (auto whole = output_of(save, {})) return whole;
  std::string out;
  for (const char* table : {"raw", "mangle", "nat", "filter", "security"})
    if (const auto one = output_of(save, {"-t", table})) out += *one;
  return out;
}

bool says_one(const std::string& path) {
  const auto text = read_file(path);
  return text && text->starts_with('1');
}

void add_address(fw::Topology::Link& link, const ifaddrs& entry) {
  const auto bits = [](const std::uint8_t* bytes, std::size_t count) {
    unsigned out = 0;
    for (std::size_t i = 0; i < count; ++i) out += static_cast<unsigned>(std::popcount(bytes[i]));
    return out;
  };
  if (!entry.ifa_addr || !entry.ifa_netmask) return;
  if (entry.ifa_addr->sa_family == AF_INET) {
    sockaddr_in address{}, mask{};
    std::copy_n(reinterpret_cast<const char*>(entry.ifa_addr), sizeof address, reinterpret_cast<char*>(&address));
    std::copy_n(reinterpret_cast<const char*>(entry.ifa_netmask), sizeof mask, reinterpret_cast<char*>(&mask));
    link.addresses.push_back({{fw::Family::ipv4, ntohl(address.sin_addr.s_addr)},
                              bits(reinterpret_cast<const std::uint8_t*>(&mask.sin_addr), 4)});
  } else if (entry.ifa_addr->sa_family == AF_INET6) {
    sockaddr_in6 address{}, mask{};
    std::copy_n(reinterpret_cast<const char*>(entry.ifa_addr), sizeof address, reinterpret_cast<char*>(&address));
    std::copy_n(reinterpret_cast<const char*>(entry.ifa_netmask), sizeof mask, reinterpret_cast<char*>(&mask));
    fw::Number value = 0;
    for (const std::uint8_t byte : address.sin6_addr.s6_addr) value = value << 8 | byte;
    link.addresses.push_back({{fw::Family::ipv6, value}, bits(mask.sin6_addr.s6_addr, 16)});
  }
}

}  // namespace

std::string find_program(const std::string& name) {
  for (const char* folder : {"/usr/sbin/", "/sbin/", "/usr/bin/", "/bin/"})
    if (const std::string path = folder + name; ::access(path.c_str(), X_OK) == 0) return path;
  return {};
}

Result<ProgramOutput> run_program(const std::string& path, const std::vector<std::string>& arguments,
                                  const std::string& input, InputPlace place, int held) {
  CLAWQL_TRY(os::Fd stdin_file, text_as_file(input));
  std::array<os::Fd, 2> reads, writes;
  for (std::size_t i = 0; i < 2; ++i) {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) return fail_system("pipe2");
    reads[i] = os::Fd(ends[0]);
    writes[i] = os::Fd(ends[1]);
  }
  os::SpawnRequest request;
  request.program = path;
  request.arguments = arguments;
  request.arguments.insert(request.arguments.begin(), path);
  request.environment = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8"};
  if (const char* bus = ::getenv("DBUS_SYSTEM_BUS_ADDRESS"))
    request.environment.push_back(std::string("DBUS_SYSTEM_BUS_ADDRESS=") + bus);
  request.fds = {stdin_file.get(), writes[0].get(), writes[1].get()};
  // A script's own commands must not find the rest of the script on their stdin.
  if (place == InputPlace::third) request.fds = {-1, writes[0].get(), writes[1].get(), stdin_file.get()};
  if (held >= 0) {
    request.fds.resize(4, -1);
    request.fds.push_back(held);
  }
  request.parent_death_signal = 0;  // a change that was begun is finished
  CLAWQL_TRY(const os::Child child, os::SystemSpawner().spawn(request));
  writes = {};
  ProgramOutput out;
  const Status read = read_both(reads, {&out.output, &out.errors});
  int status = 0;
  while (::waitpid(child.pid, &status, 0) < 0)
    if (errno != EINTR) return fail_system("waitpid");
  if (!read) return std::unexpected(read.error());
  out.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return out;
}

Result<fw::RuleTexts> live_rules() {
  if (::geteuid() != 0)
    return fail(
        "reading the live rules needs root; offline files can be named instead (--nft, --iptables-save, --ufw …)");
  fw::RuleTexts out;
  CLAWQL_TRY(out.nft, output_of("nft", {"-j", "list", "ruleset"}));
  // What iptables-nft wrote is in the nft rules too, but its matches can be read only by iptables-save.
  const auto add = [&out](const char* tool, const char* save, fw::Family family) -> Status {
    if (find_program(save).empty()) return {};
    CLAWQL_TRY(std::string text, saved_tables(save));
    // Without tables it says nothing at all, or only comments.
    if (text.starts_with('*') || text.find("\n*") != std::string::npos)
      out.saves.push_back({std::move(text), tool, family});
    return {};
  };
  CLAWQL_CHECKED(add("iptables", "iptables-nft-save", fw::Family::ipv4));
  CLAWQL_CHECKED(add("ip6tables", "ip6tables-nft-save", fw::Family::ipv6));
  // The older kernel interface, where it is in use.
  if (const auto names = read_file("/proc/net/ip_tables_names"); names && !names->empty())
    CLAWQL_CHECKED(add("iptables-legacy", "iptables-legacy-save", fw::Family::ipv4));
  if (const auto names = read_file("/proc/net/ip6_tables_names"); names && !names->empty())
    CLAWQL_CHECKED(add("ip6tables-legacy", "ip6tables-legacy-save", fw::Family::ipv6));
  return out;
}

Result<fw::Topology> live_topology() {
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) return fail_system("getifaddrs");
  const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> owner(list, &::freeifaddrs);
  fw::Topology out;
  out.complete = true;
  for (const ifaddrs* entry = list; entry; entry = entry->ifa_next) {
    auto link = std::ranges::find(out.links, std::string(entry->ifa_name), &fw::Topology::Link::name);
    if (link == out.links.end()) link = out.links.insert(out.links.end(), {entry->ifa_name, {}, false});
    add_address(*link, *entry);
  }
  const bool all = says_one("/proc/sys/net/ipv4/conf/all/route_localnet");
  for (fw::Topology::Link& link : out.links)
    link.route_localnet = all || says_one("/proc/sys/net/ipv4/conf/" + link.name + "/route_localnet");
  out.forwards4 = says_one("/proc/sys/net/ipv4/ip_forward");
  out.forwards6 = says_one("/proc/sys/net/ipv6/conf/all/forwarding");
  return out;
}

}  // namespace clawql::cli
