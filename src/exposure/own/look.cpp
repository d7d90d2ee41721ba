#include "exposure/own/look.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "base/decimal.hpp"
#include "exposure/ports/processes.hpp"
#include "exposure/ports/text.hpp"
#include "os/files.hpp"
#include "os/socket.hpp"

namespace clawql::exposure::own {
namespace {

constexpr int kAttempts = 3;
// The door closes a listener when it hears of it; after so long it did not.
constexpr base::Milliseconds kTimeToClose{10'000};

// The id of our cgroup, as the kernel puts it on sockets: the inode number of its folder. 0: not known.
std::uint64_t own_cgroup(const std::string& proc) {
  const auto text = ports::read_small_file(proc + "/self/cgroup");
  if (!text) return 0;
  for (const std::string_view line : ports::lines_of(*text)) {
    if (!line.starts_with("0::")) continue;
    struct stat facts{};
    const std::string folder = "/sys/fs/cgroup" + std::string(line.substr(3));
    return ::stat(folder.c_str(), &facts) == 0 ? facts.st_ino : 0;
  }
  return 0;
}

std::pair<std::uint16_t, std::uint16_t> free_ports(const std::string& proc) {
  constexpr std::pair<std::uint16_t, std::uint16_t> kUsual{32768, 60999};
  const auto text = ports::read_small_file(proc + "/sys/net/ipv4/ip_local_port_range");
  if (!text) return kUsual;
  const auto words = ports::words_of(*text);
  if (words.size() != 2) return kUsual;
  return {base::parse_decimal<std::uint16_t>(words[0]).value_or(kUsual.first),
          base::parse_decimal<std::uint16_t>(words[1]).value_or(kUsual.second)};
}

std::set<std::uint64_t> cookies_of(const std::vector<const os::DumpedSocket*>& sockets) {
  std::set<std::uint64_t> cookies;
  for (const os::DumpedSocket* socket : sockets) cookies.insert(socket->cookie);
  return cookies;
}

void add_once(std::vector<Finding>& findings, Finding finding) {
  const bool known = std::ranges::any_of(findings, [&](const Finding& other) { return other.same_as(finding); });
  if (!known) findings.push_back(std::move(finding));
}

// One question to the kernel and one pass over /proc.
class Attempt {
 public:
  Attempt(const std::string& proc, const std::vector<Expected>& expected, const std::set<std::uint64_t>& closing,
          pid_t door)
      : proc_(proc), expected_(expected), closing_(closing), door_(door) {}

  Status run(const std::set<std::uint64_t>& before) {
    const pid_t self = ::getpid();
    CLAWQL_TRY(sockets_, os::dump_sockets());
    CLAWQL_TRY(tree_, read_tree(proc_, self));
    const auto [first, last] = free_ports(proc_);
    result_ = compare({.sockets = sockets_,
                       .tree = tree_,
                       .closing = closing_,
                       .cgroup = own_cgroup(proc_),
                       .first_free_port = first,
                       .last_free_port = last,
                       .self = self,
                       .door = door_},
                      expected_);
    auto& riddles = result_.unattributed;
    std::erase_if(riddles, [&](const os::DumpedSocket* socket) { return before.contains(socket->cookie); });
    if (riddles.empty()) return {};
    CLAWQL_TRY(const ports::ProcessTable table, ports::read_processes(proc_));
    std::erase_if(riddles, [&](const os::DumpedSocket* socket) { return table.holders.contains(socket->inode); });
    return {};
  }
  Compared& result() { return result_; }

 private:
  const std::string& proc_;
  const std::vector<Expected>& expected_;
  const std::set<std::uint64_t>& closing_;
  pid_t door_;
  std::vector<os::DumpedSocket> sockets_;
  std::vector<Member> tree_;
  Compared result_;
};

Finding riddle(const os::DumpedSocket& socket) {
  const std::string subject = subject_of(socket);
  return make_finding(Kind::listener_unexpected, subject,
                      fmt::format("{}, which nobody declared, is held by a process of uid {} that lets nobody look at "
                                  "it, as the door, the engine and servers with a user of their own do",
                                  subject, socket.uid));
}

}  // namespace

Look::Look(std::string proc) : proc_(std::move(proc)) {
  // Where the kernel cannot be asked, take() says so.
  if (const auto sockets = os::dump_sockets())
    for (const os::DumpedSocket& socket : *sockets) before_.insert(socket.cookie);
}

void Look::expect_end_of(std::uint64_t cookie, base::Microseconds now) {
  if (cookie != 0) closing_.push_back({cookie, now + kTimeToClose});
}

std::vector<Finding> Look::take(const std::vector<Declared>& declared, pid_t door, base::Microseconds now) {
  std::erase_if(closing_, [&](const Closing& one) { return one.until <= now; });
  std::set<std::uint64_t> closing;
  for (const Closing& one : closing_) closing.insert(one.cookie);
  std::vector<Expected> expected;
  expected.reserve(declared.size());
  for (const Declared& one : declared) expected.push_back({one.subject, os::socket_inode(one.fd)});

  std::vector<Finding> findings;
  std::set<std::uint64_t> riddles;
  for (int round = 1;; ++round) {
    Attempt attempt(proc_, expected, closing, door);
    if (const Status done = attempt.run(before_); !done) {
      findings = {make_finding(Kind::audit_incomplete, "own sockets",
                               "what this gateway listens on could not be told: " + done.error().message)};
      break;
    }
    // A holder that comes or goes during the look leaves a riddle behind; one that stays is reported.
    auto& left = attempt.result().unattributed;
    if (round > 1)
      std::erase_if(left, [&](const os::DumpedSocket* socket) { return !riddles.contains(socket->cookie); });
    riddles = cookies_of(left);
    if (!left.empty() && round < kAttempts) continue;
    for (Finding& finding : attempt.result().findings) add_once(findings, std::move(finding));
    for (const os::DumpedSocket* socket : left) add_once(findings, riddle(*socket));
    break;
  }
  for (const Declared& one : declared)
    if (!one.path.empty()) check_file(one, findings);
  return findings;
}

void check_file(const Declared& declared, std::vector<Finding>& out) {
  struct stat facts{};
  const std::string& subject = declared.subject;
  if (::lstat(declared.path.c_str(), &facts) != 0) {
    out.push_back(make_finding(Kind::socket_replaced, subject, Error::system(declared.path).message));
    return;
  }
  if (!S_ISSOCK(facts.st_mode) || facts.st_dev != declared.device || facts.st_ino != declared.inode) {
    out.push_back(
        make_finding(Kind::socket_replaced, subject, declared.path + " is not the socket that was made there"));
    return;
  }
  if ((facts.st_mode & 07777U) != declared.mode)
    out.push_back(make_finding(
        Kind::socket_mode, subject,
        fmt::format("{} has mode {:04o} instead of {:04o}", declared.path, facts.st_mode & 07777U, declared.mode)));
  if (facts.st_uid != declared.owner || facts.st_gid != declared.group)
    out.push_back(make_finding(Kind::socket_group, subject,
                               fmt::format("{} belongs to {}:{} instead of {}:{}", declared.path, facts.st_uid,
                                           facts.st_gid, declared.owner, declared.group)));
  const std::string folder = os::parent_of(declared.path);
  const mode_t forbidden = declared.private_folder ? 077U : S_IWOTH;
  if (::lstat(folder.c_str(), &facts) == 0 && (facts.st_mode & forbidden) != 0)
    out.push_back(
        make_finding(Kind::socket_folder, subject,
                     fmt::format("the folder {} has mode {:04o}: {}", folder, facts.st_mode & 07777U,
                                 declared.private_folder ? "it is for its owner alone" : "everybody may write there")));
}

}  // namespace clawql::exposure::own
