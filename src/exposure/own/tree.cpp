#include "exposure/own/tree.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <map>
#include <memory>

#include "base/decimal.hpp"
#include "exposure/ports/text.hpp"

namespace clawql::exposure::own {
namespace {

using Folder = std::unique_ptr<DIR, int (*)(DIR*)>;

Folder open_folder(const std::string& path) {
  return {::opendir(path.c_str()), ::closedir};
}

Result<std::vector<pid_t>> all_processes(const std::string& proc) {
  const Folder open = open_folder(proc);
  if (!open) return fail_system(proc);
  std::vector<pid_t> found;
  while (const dirent* entry = ::readdir(open.get())) {
    if (const auto pid = base::parse_decimal<std::uint32_t>(entry->d_name)) found.push_back(static_cast<pid_t>(*pid));
  }
  return found;
}

// `root` and its descendants, parents before children.
std::vector<pid_t> descendants(const std::multimap<pid_t, pid_t>& children, pid_t root) {
  std::vector<pid_t> line{root};
  for (std::size_t next = 0; next < line.size(); ++next) {
    const auto [first, last] = children.equal_range(line[next]);
    for (auto child = first; child != last; ++child) line.push_back(child->second);
  }
  return line;
}

void read_sockets(const std::string& folder, Member& member) {
  const Folder open = open_folder(folder);
  if (!open) {
    member.opaque = errno == EACCES || errno == EPERM;
    return;
  }
  while (const dirent* entry = ::readdir(open.get())) {
    std::array<char, 64> target{};
    const ssize_t length = ::readlinkat(::dirfd(open.get()), entry->d_name, target.data(), target.size());
    if (length < 0 && (errno == EACCES || errno == EPERM)) member.opaque = true;
    std::string_view text(target.data(), length > 0 ? static_cast<std::size_t>(length) : 0);
    if (!text.starts_with("socket:[") || !text.ends_with("]")) continue;
    text = text.substr(8, text.size() - 9);
    if (const auto inode = base::parse_decimal<std::uint64_t>(text)) member.sockets.push_back(*inode);
  }
}

}  // namespace

pid_t parent_in(std::string_view stat) {
  const auto name_end = stat.rfind(") ");
  if (name_end == std::string_view::npos) return 0;
  const auto fields = ports::words_of(stat.substr(name_end + 2));
  return fields.size() > 1 ? static_cast<pid_t>(base::parse_decimal<std::uint32_t>(fields[1]).value_or(0)) : 0;
}

uid_t uid_in(std::string_view status) {
  constexpr std::string_view kUid = "Uid:";
  for (const std::string_view line : ports::lines_of(status)) {
    if (!line.starts_with(kUid)) continue;
    const auto words = ports::words_of(line.substr(kUid.size()));
    if (words.size() == 4) return base::parse_decimal<uid_t>(words[1]).value_or(static_cast<uid_t>(-1));
  }
  return static_cast<uid_t>(-1);
}

Result<std::vector<Member>> read_tree(const std::string& proc, pid_t root) {
  CLAWQL_TRY(const std::vector<pid_t> pids, all_processes(proc));
  if (std::ranges::find(pids, root) == pids.end())
    return fail(fmt::format("{} does not show process {}, which is this one", proc, root));
  std::multimap<pid_t, pid_t> children;
  for (const pid_t pid : pids) {
    const auto stat = ports::read_small_file(fmt::format("{}/{}/stat", proc, pid));
    if (stat) children.emplace(parent_in(*stat), pid);
  }
  std::vector<Member> members;
  for (const pid_t pid : descendants(children, root)) {
    const std::string folder = fmt::format("{}/{}/", proc, pid);
    const auto status = ports::read_small_file(folder + "status");
    if (!status) continue;
    Member member;
    member.pid = pid;
    member.uid = uid_in(*status);
    member.name = ports::read_small_file(folder + "comm").value_or("");
    if (member.name.ends_with('\n')) member.name.pop_back();
    read_sockets(folder + "fd", member);
    members.push_back(std::move(member));
  }
  return members;
}

}  // namespace clawql::exposure::own
