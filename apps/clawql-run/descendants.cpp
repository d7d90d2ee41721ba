#include "descendants.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <csignal>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string_view>
#include <vector>

namespace clawql::run {
namespace {

struct Process {
  int pid = 0;
  int parent = 0;
  std::uint64_t started = 0;  // ticks since boot: with the pid it names one process for ever
};

constexpr int kStoppingPasses = 32;

template <class T>
bool read_number(std::string_view text, T& value) {
  return std::from_chars(text.data(), text.data() + text.size(), value).ec == std::errc();
}

// Fields of /proc/PID/stat after the name in parentheses, which may hold anything: state is the first, the parent the
// second, the start time the twentieth (proc(5): fields 3, 4 and 22).
std::optional<Process> parse_stat(int pid, std::string_view text) {
  const std::size_t name_end = text.rfind(") ");
  if (name_end == std::string_view::npos) return std::nullopt;
  text.remove_prefix(name_end + 2);
  Process process{.pid = pid};
  for (int field = 3; field <= 22; ++field) {
    const std::size_t end = std::min(text.find(' '), text.size());
    const std::string_view word = text.substr(0, end);
    if (field == 4 && !read_number(word, process.parent)) return std::nullopt;
    if (field == 22 && !read_number(word, process.started)) return std::nullopt;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return process;
}

std::optional<Process> look_at(int proc, int pid) {
  std::array<char, 32> path{};
  char* const end = std::to_chars(path.data(), path.data() + 16, pid).ptr;
  std::copy_n("/stat", 6, end);
  const int fd = ::openat(proc, path.data(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return std::nullopt;
  std::array<char, 1024> text{};
  const ssize_t length = ::read(fd, text.data(), text.size());
  ::close(fd);
  if (length <= 0) return std::nullopt;
  return parse_stat(pid, {text.data(), static_cast<std::size_t>(length)});
}

std::vector<Process> list_processes(DIR* directory) {
  std::vector<Process> processes;
  ::rewinddir(directory);
  while (const dirent* entry = ::readdir(directory)) {
    int pid = 0;
    if (entry->d_name[0] < '1' || entry->d_name[0] > '9' || !read_number(entry->d_name, pid)) continue;
    if (const auto process = look_at(::dirfd(directory), pid)) processes.push_back(*process);
  }
  return processes;
}

// Those below this process, parents before their children.
std::vector<Process> list_descendants(DIR* directory) {
  std::vector<Process> all = list_processes(directory);
  std::ranges::sort(all, {}, &Process::parent);
  std::vector<Process> found{{.pid = ::getpid()}};
  for (std::size_t next = 0; next < found.size(); ++next) {
    const auto children = std::ranges::equal_range(all, found[next].pid, {}, &Process::parent);
    // A process that is reparented while we read cannot be its own ancestor, but a reused pid could look like it.
    if (found.size() + children.size() > all.size() + 1) break;
    found.insert(found.end(), children.begin(), children.end());
  }
  found.erase(found.begin());
  return found;
}

// By pidfd, and only if the pid still names the process that was seen: pids are reused.
void send(DIR* directory, const Process& process, std::initializer_list<int> signals) {
  const int pidfd = static_cast<int>(::syscall(SYS_pidfd_open, process.pid, 0));
  if (pidfd < 0) return;
  const auto now = look_at(::dirfd(directory), process.pid);
  if (now && now->started == process.started) {
    for (const int signal : signals) ::syscall(SYS_pidfd_send_signal, pidfd, signal, nullptr, 0);
  }
  ::close(pidfd);
}

class Proc {
 public:
  Proc() : directory_(::opendir("/proc")) {}
  ~Proc() {
    if (directory_ != nullptr) ::closedir(directory_);
  }
  Proc(const Proc&) = delete;
  Proc& operator=(const Proc&) = delete;
  DIR* get() const { return directory_; }

 private:
  DIR* directory_;
};

void stop_all(DIR* directory) {
  std::vector<Process> stopped;
  for (int pass = 0; pass < kStoppingPasses; ++pass) {
    std::vector<Process> present = list_descendants(directory);
    std::ranges::sort(present, {}, &Process::pid);
    bool found_new = false;
    for (const Process& process : present) {
      const auto before = std::ranges::lower_bound(stopped, process.pid, {}, &Process::pid);
      if (before != stopped.end() && before->pid == process.pid && before->started == process.started) continue;
      found_new = true;
      send(directory, process, {SIGSTOP});
    }
    if (!found_new) return;
    stopped = std::move(present);
  }
}

}  // namespace

bool is_init() {
  return ::getpid() == 1;
}

void ask_all_to_end() {
  if (is_init()) {
    ::kill(-1, SIGTERM);
    ::kill(-1, SIGCONT);
    return;
  }
  const Proc proc;
  if (proc.get() == nullptr) return;
  for (const Process& process : list_descendants(proc.get())) send(proc.get(), process, {SIGTERM, SIGCONT});
}

void kill_all() {
  if (is_init()) {
    ::kill(-1, SIGKILL);
    return;
  }
  const Proc proc;
  if (proc.get() == nullptr) return;
  stop_all(proc.get());
  for (const Process& process : list_descendants(proc.get())) send(proc.get(), process, {SIGKILL});
}

}  // namespace clawql::run
