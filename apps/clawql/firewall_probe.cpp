// clawql firewall verify --probe: a neighbour that exists for this alone (a network namespace and a link to it) opens
// real connections, and what they do is compared with the computed set.
#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <set>

#include "exposure/firewall/protocol.hpp"
#include "firewall.hpp"
#include "os/fd.hpp"

namespace clawql::cli {
namespace {

constexpr const char* kLink = "clawqlprobe0";
// Of the networks that are set aside for measurements (RFC 2544) and for private use (RFC 4193).
constexpr const char* kHost4 = "198.18.255.253";
constexpr const char* kNeighbour4 = "198.18.255.254";
constexpr const char* kHost6 = "fdc1:a301:7072:6f62::1";
constexpr const char* kNeighbour6 = "fdc1:a301:7072:6f62::2";
constexpr int kWaitMilliseconds = 1000;

class Neighbour {
 public:
  static Result<std::unique_ptr<Neighbour>> make() {
    std::unique_ptr<Neighbour> out(new Neighbour);
    const std::string& space = out->space_;
    CLAWQL_CHECKED(ip({"netns", "add", space}));
    out->made_ = true;
    CLAWQL_CHECKED(ip({"link", "add", kLink, "type", "veth", "peer", "name", "probe", "netns", space}));
    CLAWQL_CHECKED(ip({"address", "add", std::string(kHost4) + "/30", "dev", kLink}));
    CLAWQL_CHECKED(ip({"link", "set", kLink, "up"}));
    CLAWQL_CHECKED(ip({"-n", space, "address", "add", std::string(kNeighbour4) + "/30", "dev", "probe"}));
    CLAWQL_CHECKED(ip({"-n", space, "link", "set", "probe", "up"}));
    // A host without IPv6 is probed over IPv4 alone.
    out->has_ipv6_ =
        ip({"address", "add", std::string(kHost6) + "/126", "dev", kLink, "nodad"}).has_value() &&
        ip({"-n", space, "address", "add", std::string(kNeighbour6) + "/126", "dev", "probe", "nodad"}).has_value();
    return out;
  }
  Neighbour(const Neighbour&) = delete;
  Neighbour& operator=(const Neighbour&) = delete;
  ~Neighbour() {
    if (!made_) return;
    (void)ip({"link", "del", kLink});
    (void)ip({"netns", "del", space_});
  }

  bool can_use(fw::Family family) const { return family == fw::Family::ipv4 || has_ipv6_; }
  Status lead_to(fw::Family family, const std::string& address) const {
    if (address == kHost4 || address == kHost6) return {};
    const char* via = family == fw::Family::ipv4 ? kHost4 : kHost6;
    return ip({"-n", space_, "route", "replace", address, "via", via, "dev", "probe"});
  }
  std::string path() const { return "/run/netns/" + space_; }

 private:
  Neighbour() = default;
  static Status ip(const std::vector<std::string>& arguments) {
    const std::string program = find_program("ip");
    if (program.empty()) return fail("ip is not on this host");
    CLAWQL_TRY(const ProgramOutput out, run_program(program, arguments));
    if (out.status != 0) return fail("the probe's neighbour cannot be made: ip: " + out.errors);
    return {};
  }
  const std::string space_ = "clawql-probe-" + std::to_string(::getpid());
  bool made_ = false, has_ipv6_ = false;
};

// In the calling process.
bool connects(fw::Family family, const std::string& address, std::uint16_t port) {
  const bool four = family == fw::Family::ipv4;
  const os::Fd fd(::socket(four ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (fd.get() < 0) return false;
  sockaddr_storage storage{};
  socklen_t size = 0;
  if (four) {
    auto* to = reinterpret_cast<sockaddr_in*>(&storage);
    to->sin_family = AF_INET;
    to->sin_port = htons(port);
    ::inet_pton(AF_INET, address.c_str(), &to->sin_addr);
    size = sizeof(sockaddr_in);
  } else {
    auto* to = reinterpret_cast<sockaddr_in6*>(&storage);
    to->sin6_family = AF_INET6;
    to->sin6_port = htons(port);
    ::inet_pton(AF_INET6, address.c_str(), &to->sin6_addr);
    size = sizeof(sockaddr_in6);
  }
  if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&storage), size) == 0) return true;
  if (errno != EINPROGRESS) return false;
  pollfd waiting{fd.get(), POLLOUT, 0};
  if (::poll(&waiting, 1, kWaitMilliseconds) != 1) return false;
  int error = 0;
  socklen_t length = sizeof error;
  return ::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &length) == 0 && error == 0;
}

// The same in a child that has gone over to the neighbour.
Result<bool> connects_from(const Neighbour& neighbour, fw::Family family, const std::string& address,
                           std::uint16_t port) {
  const pid_t child = ::fork();
  if (child < 0) return fail_system("fork");
  if (child == 0) {
    const int space = ::open(neighbour.path().c_str(), O_RDONLY | O_CLOEXEC);
    if (space < 0 || ::setns(space, CLONE_NEWNET) != 0) ::_exit(2);
    ::_exit(connects(family, address, port) ? 0 : 1);
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0)
    if (errno != EINTR) return fail_system("waitpid");
  if (!WIFEXITED(status) || WEXITSTATUS(status) > 1) return fail("the probe could not go over to its neighbour");
  return WEXITSTATUS(status) == 0;
}

struct Prediction {
  bool gets_through = false;
  bool sure = true;
};

Result<Prediction> predict(const fw::Listener& listener, fw::Family family, const fw::Address& target,
                           const fw::RuleTexts& texts, const fw::Topology& topology) {
  CLAWQL_TRY(const fw::RuleSet rules, fw::read_rules(texts, topology, {family, listener.protocol}));
  std::set<std::pair<fw::RuleId, std::string>> doubts;
  CLAWQL_TRY(const std::vector<fw::Reach> reaches, fw::reaches_of(listener, rules, topology, doubts));
  fw::Box packet(family);
  packet[fw::Field::in_interface] = *fw::interface_set(kLink, false);
  packet[fw::Field::source] =
      fw::IntervalSet::of(fw::parse_address(family == fw::Family::ipv4 ? kNeighbour4 : kNeighbour6)->value);
  packet[fw::Field::original_destination] = fw::IntervalSet::of(target.value);
  packet[fw::Field::original_destination_port] = fw::IntervalSet::of(listener.port);
  Prediction out{false, doubts.empty()};
  for (const fw::Reach& reach : reaches)
    if (!fw::intersected(reach.flows, {packet}).empty()) out.gets_through = true;
  return out;
}

}  // namespace

Result<std::vector<fw::Finding>> probe(const std::vector<fw::Listener>& listeners, const fw::RuleTexts& texts) {
  CLAWQL_TRY(const std::unique_ptr<Neighbour> neighbour, Neighbour::make());
  CLAWQL_TRY(const fw::Topology topology, live_topology());
  std::vector<fw::Finding> out;
  for (const fw::Listener& listener : listeners)
    for (const fw::Family family : {fw::Family::ipv4, fw::Family::ipv6}) {
      // A neighbour cannot even address loopback; and a UDP packet has no answer to see.
      if (!listener.uses(family) || listener.is_loopback() || listener.protocol != fw::kTcp ||
          !neighbour->can_use(family))
        continue;
      const fw::Address target =
          listener.address.value_or(*fw::parse_address(family == fw::Family::ipv4 ? kHost4 : kHost6));
      const std::string address = fw::address_text(family, target.value);
      if (!connects(family, address, listener.port)) {
        out.push_back({"firewall.probe-impossible", "info",
                       listener.name() + " does not even answer this host itself, so nothing was learnt",
                       "Start the service and try again.", listener.name()});
        continue;
      }
      CLAWQL_CHECKED(neighbour->lead_to(family, address));
      CLAWQL_TRY(const Prediction predicted, predict(listener, family, target, texts, topology));
      CLAWQL_TRY(const bool seen, connects_from(*neighbour, family, address, listener.port));
      if (seen == predicted.gets_through) continue;
      // With doubts the set is known to be too large, so that a closed door is no surprise.
      const char* severity = seen ? "critical" : predicted.sure ? "medium" : "info";
      out.push_back({"firewall.probe-disagrees", severity,
                     "a connection from a neighbour to " + listener.name() +
                         (seen ? " came about, and by the computed set it cannot"
                               : " did not come about, and by the computed set it can"),
                     "Do not rely on the computed set, and report this with the rules.", listener.name()});
    }
  return out;
}

}  // namespace clawql::cli
