#include "exposure/ports/survey.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <set>

#include "exposure/ports/processes.hpp"
#include "exposure/ports/rule_sets.hpp"
#include "exposure/ports/spaces.hpp"
#include "exposure/ports/surroundings.hpp"
#include "exposure/ports/text.hpp"
#include "os/socket_dump.hpp"

namespace clawql::exposure::ports {
namespace {

constexpr std::array<std::pair<Protocol, std::string_view>, 8> kNames{{
    {Protocol::tcp, "tcp"},
    {Protocol::mptcp, "mptcp"},
    {Protocol::sctp, "sctp"},
    {Protocol::udp, "udp"},
    {Protocol::udplite, "udplite"},
    {Protocol::unix_stream, "unix"},
    {Protocol::unix_datagram, "unix-datagram"},
    {Protocol::unix_seqpacket, "unix-seqpacket"},
}};

Protocol protocol_of(os::DumpedSocket::Protocol protocol) {
  using Dumped = os::DumpedSocket::Protocol;
  switch (protocol) {
    case Dumped::tcp: return Protocol::tcp;
    case Dumped::mptcp: return Protocol::mptcp;
    case Dumped::sctp: return Protocol::sctp;
    case Dumped::udp: return Protocol::udp;
    case Dumped::udplite: return Protocol::udplite;
    case Dumped::unix_stream: return Protocol::unix_stream;
    case Dumped::unix_datagram: return Protocol::unix_datagram;
    case Dumped::unix_seqpacket: return Protocol::unix_seqpacket;
  }
  return Protocol::tcp;
}

// The address without port and brackets, v4-mapped ones as IPv4.
std::string address_of(const os::SocketAddress& address) {
  std::string text = address.text();
  text.resize(text.rfind(':'));
  if (text.starts_with('[')) text = text.substr(1, text.size() - 2);
  if (text.starts_with("::ffff:") && text.find('.') != std::string::npos) text.erase(0, 7);
  return text;
}

// An interface that was renamed or removed since keeps its number, so that a device is never taken for none.
std::string device_name(unsigned index) {
  std::array<char, IF_NAMESIZE> name{};
  if (::if_indextoname(index, name.data()) != nullptr) return printable_bytes(name.data());
  return fmt::format("if{}", index);
}

// One look at everything: the process table first, then each namespace, then the owners of what was found there.
class Look {
 public:
  explicit Look(const Scope& scope) : scope_(scope) {}

  Status take() {
    CLAWQL_TRY(table_, read_processes(scope_.proc));
    survey_.processes = table_.processes.size();
    Status own;
    own = visit("");
    if (!own) return own;
    if (scope_.other_spaces) others();
    owners();
    return {};
  }

  bool has_riddles() const { return unowned_ > 0; }
  // Namespaces that went before they were entered. What they held was never seen, so no later look makes up for it.
  const std::vector<Finding>& lost() const { return lost_; }

  Survey finish() {
    incomplete_view();
    if (scope_.ways) read_tunnels(scope_.proc, table_, survey_);
    return std::move(survey_);
  }

 private:
  // In the calling thread's namespace.
  Status visit(const std::string& label) {
    CLAWQL_TRY(const auto sockets, os::dump_sockets());
    for (const os::DumpedSocket& socket : sockets)
      if (scope_.unix_sockets || !socket.is_unix()) add(label, socket);
    if (std::ranges::find(survey_.spaces, label) == survey_.spaces.end()) survey_.spaces.push_back(label);
    if (!scope_.ways) return {};
    read_rule_sets(label, survey_.ways, survey_.gaps);
    read_route_localnet(label, survey_.ways, survey_.gaps);
    CLAWQL_TRY(const auto connections, os::dump_loopback_connections());
    for (const os::LoopbackConnection& connection : connections) loopback_.push_back({label, connection});
    CLAWQL_TRY(const Links links, read_links());
    judge_weak_host(survey_.listeners, label, links, survey_.ways);
    return {};
  }

  void add(const std::string& label, const os::DumpedSocket& socket) {
    Listener listener;
    Place& place = listener.place;
    place.space = label;
    place.protocol = protocol_of(socket.protocol);
    if (socket.is_unix()) {
      place.path = (socket.abstract_name ? "@" : "") + printable_bytes(socket.name);
      // "@x" as a file's relative name must not look like an abstract one.
      if (!socket.abstract_name && place.path.starts_with('@')) place.path.insert(0, "./");
      files_.push_back(
          {survey_.listeners.size(), socket.name, socket.file_inode, socket.file_device, socket.abstract_name});
    } else {
      place.address = address_of(socket.local);
      place.port = socket.local.port();
      place.v6only = place.address == "::" && socket.v6only;
      if (socket.interface != 0) place.device = device_name(socket.interface);
    }
    listener.uid = socket.uid;
    listener.inode = socket.inode;
    listener.cookie = socket.cookie;
    listener.cgroup_id = socket.cgroup;
    survey_.listeners.push_back(std::move(listener));
  }

  void others() {
    for (const auto& [inode, space] : table_.spaces) {
      if (inode == table_.own_space) continue;
      const std::string label = label_of(space, inode, scope_.proc);
      Status visited;
      const Status entered = in_space(space, inode, [&] { visited = visit(label); });
      if (entered && visited) continue;
      const Error& error = entered ? visited.error() : entered.error();
      const std::string subject = "[" + label + "]";
      auto& gaps = error.system_errno == ENOENT ? lost_ : survey_.gaps;
      gaps.push_back({FindingId::namespace_hidden, subject,
                      fmt::format("network namespace {} (net:[{}]): {}", label, inode, error.message), 1});
    }
  }

  void owners() {
    std::unordered_map<pid_t, std::optional<Owner>> known;
    for (Listener& listener : survey_.listeners) {
      const auto holders = table_.holders.find(listener.inode);
      if (listener.inode != 0 && holders != table_.holders.end()) {
        for (const pid_t pid : holders->second) {
          auto [owner, is_new] = known.try_emplace(pid);
          if (is_new) owner->second = read_owner(scope_.proc, pid);
          if (!owner->second) continue;
          listener.owners.push_back(*owner->second);
          listener.owner_unreadable = listener.owner_unreadable || owner->second->executable.empty();
        }
      }
      if (listener.owners.empty()) ++unowned_;
    }
    for (const NamedFile& file : files_) look_at(file);
    forwards();
  }

  // `ssh -L` through this host's sshd has no listener here: what shows is a connection of a session to one of ours. The
  // session's own connection to its client comes from the port of sshd's listener.
  void forwards() {
    std::set<std::pair<std::string, std::uint16_t>> ports;
    for (const Listener& listener : survey_.listeners)
      if (!is_unix(listener.place.protocol)) ports.emplace(listener.place.space, listener.place.port);
    for (const auto& [label, connection] : loopback_) {
      if (!ports.contains({label, connection.remote.port()}) || ports.contains({label, connection.local.port()}))
        continue;
      const auto holders = table_.holders.find(connection.inode);
      if (holders == table_.holders.end()) continue;
      const auto owner = read_owner(scope_.proc, holders->second.front());
      if (!owner || !base_name(owner->executable).starts_with("sshd")) continue;
      const std::string subject =
          (label.empty() ? "" : "[" + label + "] ") + "ssh session -> tcp " + connection.remote.text();
      survey_.ways.push_back({FindingId::ssh_forward, subject, fmt::format("{} (pid {})", subject, owner->pid), 1});
    }
  }

  struct NamedFile {
    std::size_t listener;
    std::string name;  // as it was given to bind
    std::uint32_t inode, device;
    bool abstract_name;
  };

  // The file as the socket's owner sees it: it may live in another mount namespace, or have a relative name.
  void look_at(const NamedFile& named) {
    if (named.abstract_name) return;
    Listener& listener = survey_.listeners[named.listener];
    std::vector<std::string> paths;
    for (const Owner& owner : listener.owners) {
      const std::string folder = fmt::format("{}/{}/", scope_.proc, owner.pid);
      paths.push_back(folder + (named.name.starts_with('/') ? "root" + named.name : "cwd/" + named.name));
    }
    if (named.name.starts_with('/')) paths.push_back(named.name);
    bool missing = false;
    for (const std::string& path : paths) {
      struct stat facts{};
      if (::lstat(path.c_str(), &facts) != 0) {
        missing = missing || errno == ENOENT;
        continue;
      }
      SocketFile file{facts.st_mode & 07777U, facts.st_uid, facts.st_gid, false};
      // The kernel tells device numbers in its own encoding: major << 20 | minor.
      file.same = static_cast<std::uint32_t>(facts.st_ino) == named.inode &&
                  (major(facts.st_dev) << 20 | minor(facts.st_dev)) == named.device && S_ISSOCK(facts.st_mode);
      listener.file = file;
      if (file.same) return;
    }
    if (!listener.file && missing) listener.file = SocketFile{};
  }

  void incomplete_view() {
    const auto gap = [&](FindingId id, std::string subject, std::string text) {
      survey_.gaps.push_back({id, std::move(subject), std::move(text), 1});
    };
    if (table_.unreadable_fds > 0)
      gap(FindingId::view_incomplete, "descriptors of other processes",
          fmt::format(
              "the descriptors of {} of {} processes could not be read: sockets may have owners that are not shown",
              table_.unreadable_fds, table_.processes.size()));
    if (scope_.other_spaces && table_.unreadable_spaces > 0)
      gap(FindingId::namespace_hidden, "namespaces of other processes",
          fmt::format("the network namespaces of {} of {} processes could not be read", table_.unreadable_spaces,
                      table_.processes.size()));
    if (table_.hides)
      gap(FindingId::view_incomplete, "hidepid",
          scope_.proc + " is mounted with hidepid: other users' processes are not shown");
  }

  const Scope& scope_;
  ProcessTable table_;
  Survey survey_;
  std::vector<NamedFile> files_;
  std::vector<std::pair<std::string, os::LoopbackConnection>> loopback_;
  std::size_t unowned_ = 0;
  std::vector<Finding> lost_;
};

}  // namespace

std::string_view name_of(Protocol protocol) {
  return std::ranges::find(kNames, protocol, &std::pair<Protocol, std::string_view>::first)->second;
}

std::optional<Protocol> protocol_named(std::string_view name) {
  const auto found = std::ranges::find(kNames, name, &std::pair<Protocol, std::string_view>::second);
  return found == kNames.end() ? std::nullopt : std::optional(found->first);
}

bool is_unix(Protocol protocol) {
  return protocol >= Protocol::unix_stream;
}

std::string Place::text() const {
  std::string out = space.empty() ? "" : "[" + space + "] ";
  out += name_of(protocol);
  out += ' ';
  if (is_unix(protocol)) return out + path;
  out += address.find(':') != std::string::npos ? "[" + address + "]" : address;
  out += ":" + (port == 0 ? std::string("any") : std::to_string(port));
  if (!device.empty()) out += " on " + device;
  if (address == "::" && v6only) out += " (v6only)";
  return out;
}

// A socket without an owner may be a matter of timing: its owner came or went during the look. So such a look is
// repeated, and what stays is reported.
Result<Survey> take_survey(const Scope& scope) {
  constexpr int kLooks = 3;
  std::vector<Finding> lost;
  for (int look = 1;; ++look) {
    Look one(scope);
    CLAWQL_CHECKED(one.take());
    std::ranges::copy(one.lost(), std::back_inserter(lost));
    if (look < kLooks && one.has_riddles()) continue;
    Survey survey = one.finish();
    std::ranges::move(lost, std::back_inserter(survey.gaps));
    return survey;
  }
}

}  // namespace clawql::exposure::ports
