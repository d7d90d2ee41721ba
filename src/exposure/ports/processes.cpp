#include "exposure/ports/processes.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <memory>

#include "base/decimal.hpp"
#include "exposure/ports/text.hpp"
#include "os/fd.hpp"

namespace clawql::exposure::ports {
namespace {

constexpr std::size_t kMaxPaths = 4;  // ways kept to open one namespace

using Folder = std::unique_ptr<DIR, int (*)(DIR*)>;

Folder open_folder(int parent, const char* name) {
  const int fd = ::openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR* folder = fd < 0 ? nullptr : ::fdopendir(fd);
  if (fd >= 0 && folder == nullptr) ::close(fd);
  return {folder, ::closedir};
}

bool was_refused(int error) {
  return error == EACCES || error == EPERM;
}

// "socket:[123]" with prefix "socket" → 123.
std::optional<std::uint64_t> inode_in(std::string_view link, std::string_view prefix) {
  if (!link.starts_with(prefix) || !link.ends_with("]")) return std::nullopt;
  link.remove_prefix(prefix.size());
  if (!link.starts_with(":[")) return std::nullopt;
  return base::parse_decimal<std::uint64_t>(link.substr(2, link.size() - 3));
}

class Pass {
 public:
  Pass(const std::string& proc, ProcessTable& table) : proc_(proc), table_(table) {}

  void process(int folder, pid_t pid) {
    pid_ = pid;
    const std::size_t refused = refused_;
    space(folder, "ns/net");
    tasks(folder);
    if (refused_ != refused) ++table_.unreadable_spaces;
    descriptors(folder);
  }

 private:
  void keep(std::uint64_t inode, std::string path, bool inside) {
    SpaceSeen& seen = table_.spaces[inode];
    pid_t& first = inside ? seen.process : seen.keeper;
    if (first == 0) first = pid_;
    if (seen.paths.size() < kMaxPaths) seen.paths.push_back(std::move(path));
  }

  void space(int folder, const char* name) {
    std::array<char, 64> target{};
    const ssize_t length = ::readlinkat(folder, name, target.data(), target.size());
    if (length < 0) {
      if (was_refused(errno)) ++refused_;
      return;
    }
    const auto inode = inode_in({target.data(), static_cast<std::size_t>(length)}, "net");
    if (inode) keep(*inode, fmt::format("{}/{}/{}", proc_, pid_, name), true);
  }

  // A thread may be in another namespace than its process.
  void tasks(int folder) {
    const Folder open = open_folder(folder, "task");
    if (!open) return;
    std::vector<std::string> others;
    while (const dirent* entry = ::readdir(open.get())) {
      const auto task = base::parse_decimal<std::uint32_t>(entry->d_name);
      if (task && static_cast<pid_t>(*task) != pid_) others.push_back(fmt::format("task/{}/ns/net", *task));
    }
    for (const std::string& name : others) space(folder, name.c_str());
  }

  void descriptors(int folder) {
    const Folder open = open_folder(folder, "fd");
    if (!open) {
      if (was_refused(errno)) ++table_.unreadable_fds;
      return;
    }
    while (const dirent* entry = ::readdir(open.get())) {
      std::array<char, 64> target{};
      const ssize_t length = ::readlinkat(::dirfd(open.get()), entry->d_name, target.data(), target.size());
      if (length <= 0) continue;
      const std::string_view link(target.data(), static_cast<std::size_t>(length));
      if (const auto socket = inode_in(link, "socket")) {
        auto& holders = table_.holders[*socket];
        if (holders.empty() || holders.back() != pid_) holders.push_back(pid_);
      } else if (const auto inode = inode_in(link, "net")) {
        keep(*inode, fmt::format("{}/{}/fd/{}", proc_, pid_, entry->d_name), false);
      }
    }
  }

  const std::string& proc_;
  ProcessTable& table_;
  pid_t pid_ = 0;
  std::size_t refused_ = 0;
};

void add_mounted(std::string_view mountinfo, ProcessTable& table) {
  for (auto& [inode, path] : mounted_spaces(mountinfo)) {
    SpaceSeen& seen = table.spaces[inode];
    for (const std::string_view folder : {"/run/netns/", "/var/run/netns/"})
      if (path.starts_with(folder)) seen.name = path.substr(folder.size());
    seen.paths.insert(seen.paths.begin(), std::move(path));
  }
}

}  // namespace

Result<ProcessTable> read_processes(const std::string& proc) {
  struct statfs facts{};
  if (::statfs(proc.c_str(), &facts) != 0) return fail_system(proc);
  if (facts.f_type != PROC_SUPER_MAGIC)
    return fail(proc + " is no procfs: owners and namespaces cannot be told (mount -t proc proc " + proc + ")");
  const Folder folder(open_folder(AT_FDCWD, proc.c_str()));
  if (!folder) return fail_system(proc);
  ProcessTable table;
  while (const dirent* entry = ::readdir(folder.get())) {
    if (const auto pid = base::parse_decimal<std::uint32_t>(entry->d_name)) {
      table.processes.push_back(static_cast<pid_t>(*pid));
    }
  }
  if (table.processes.empty()) return fail(proc + " shows no process, not even this one");
  std::ranges::sort(table.processes);
  Pass pass(proc, table);
  for (const pid_t pid : table.processes) {
    const os::Fd process(
        ::openat(::dirfd(folder.get()), std::to_string(pid).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (process) pass.process(process.get(), pid);
  }
  const std::string mountinfo = read_small_file(proc + "/thread-self/mountinfo").value_or("");
  if (mountinfo.empty())
    return fail(proc + "/thread-self/mountinfo cannot be read: mounted namespaces would be overlooked");
  add_mounted(mountinfo, table);
  table.hides = ::geteuid() != 0 && hides_processes(mountinfo, proc);
  std::array<char, 64> own{};
  const ssize_t length = ::readlink((proc + "/thread-self/ns/net").c_str(), own.data(), own.size());
  const auto inode = inode_in({own.data(), length > 0 ? static_cast<std::size_t>(length) : 0}, "net");
  if (!inode) return fail(proc + "/thread-self/ns/net cannot be read");
  table.own_space = *inode;
  return table;
}

std::optional<Owner> read_owner(const std::string& proc, pid_t pid) {
  const std::string folder = fmt::format("{}/{}/", proc, pid);
  const auto stat = read_small_file(folder + "stat");
  if (!stat) return std::nullopt;
  Owner owner;
  owner.pid = pid;
  owner.start_time = start_time_of(*stat);
  owner.name = read_small_file(folder + "comm").value_or("");
  if (owner.name.ends_with('\n')) owner.name.pop_back();
  std::array<char, 4096> target{};
  const ssize_t length = ::readlink((folder + "exe").c_str(), target.data(), target.size());
  if (length > 0) owner.executable.assign(target.data(), static_cast<std::size_t>(length));
  // A program that was replaced by an upgrade is still the same one.
  if (constexpr std::string_view gone = " (deleted)"; owner.executable.ends_with(gone))
    owner.executable.resize(owner.executable.size() - gone.size());
  owner.command = read_small_file(folder + "cmdline").value_or("");
  while (owner.command.ends_with('\0')) owner.command.pop_back();
  std::ranges::replace(owner.command, '\0', ' ');
  owner.command.resize(std::min<std::size_t>(owner.command.size(), 512));
  owner.cgroup = cgroup_of(read_small_file(folder + "cgroup").value_or(""));
  owner.container = container_of(owner.cgroup);
  return owner;
}

std::string container_of(std::string_view cgroup) {
  std::size_t run = 0;
  for (std::size_t i = 0; i < cgroup.size(); ++i) {
    const bool hex = (cgroup[i] >= '0' && cgroup[i] <= '9') || (cgroup[i] >= 'a' && cgroup[i] <= 'f');
    run = hex ? run + 1 : 0;
    if (run == 64) return std::string(cgroup.substr(i - 63, 12));
  }
  return {};
}

std::string cgroup_of(std::string_view text) {
  std::string_view unified, longest;
  for (const std::string_view line : lines_of(text)) {
    const auto first = line.find(':');
    const auto second = first == std::string_view::npos ? first : line.find(':', first + 1);
    if (second == std::string_view::npos) continue;
    const std::string_view path = line.substr(second + 1);
    if (line.starts_with("0::")) unified = path;
    if (path.size() > longest.size()) longest = path;
  }
  return std::string(unified.size() > 1 ? unified : longest);
}

std::uint64_t start_time_of(std::string_view stat) {
  const auto name_end = stat.rfind(") ");
  if (name_end == std::string_view::npos) return 0;
  const auto fields = words_of(stat.substr(name_end + 2));
  return fields.size() > 19 ? base::parse_decimal<std::uint64_t>(fields[19]).value_or(0) : 0;
}

std::vector<std::pair<std::uint64_t, std::string>> mounted_spaces(std::string_view mountinfo) {
  std::vector<std::pair<std::uint64_t, std::string>> result;
  for (const std::string_view line : lines_of(mountinfo)) {
    const auto fields = words_of(line);
    if (fields.size() < 8) continue;
    if (const auto inode = inode_in(fields[3], "net")) result.emplace_back(*inode, unescape_mount(fields[4]));
  }
  return result;
}

bool hides_processes(std::string_view mountinfo, std::string_view proc) {
  for (const std::string_view line : lines_of(mountinfo)) {
    const auto fields = words_of(line);
    if (fields.size() < 8 || unescape_mount(fields[4]) != proc) continue;
    const std::string_view options = fields.back();
    for (const std::string_view word :
         {"hidepid=1", "hidepid=2", "hidepid=4", "hidepid=noaccess", "hidepid=invisible", "hidepid=ptraceable"})
      if (options.find(word) != std::string_view::npos) return true;
  }
  return false;
}

}  // namespace clawql::exposure::ports
