#include "os/files.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "base/decimal.hpp"

namespace clawql::os {

std::string parent_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos || slash == 0) return "/";
  return path.substr(0, slash);
}

Result<std::vector<std::string>> make_folders(const std::string& path, mode_t mode) {
  if (path.empty() || path.front() != '/') return fail(fmt::format("{}: a folder must be absolute", path));
  std::vector<std::string> created;
  for (std::size_t end = path.find('/', 1);; end = path.find('/', end + 1)) {
    const std::string part = path.substr(0, end);
    if (::mkdir(part.c_str(), mode) == 0) {
      if (::chmod(part.c_str(), mode) < 0) return fail_system("chmod " + part);
      created.push_back(part);
    } else if (errno != EEXIST && errno != EISDIR) {
      // A parent that we may not write to but that exists answers EEXIST; anything else ends here.
      return fail_system("create the folder " + part);
    }
    if (end == std::string::npos) break;
  }
  struct stat facts{};
  if (::stat(path.c_str(), &facts) < 0) return fail_system("look at " + path);
  if (!S_ISDIR(facts.st_mode)) return fail(fmt::format("{} is no folder", path));
  return created;
}

Result<std::variant<FileLock, LockHeld>> lock_file(const std::string& path) {
  FileLock lock{Fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600))};
  if (!lock.file) return fail_system("open " + path);
  std::array<char, 16> text{};
  const bool taken = ::flock(lock.file.get(), LOCK_EX | LOCK_NB) == 0;
  if (!taken && errno != EWOULDBLOCK) return fail_system("flock " + path);
  const ssize_t got = ::pread(lock.file.get(), text.data(), text.size(), 0);
  const std::string_view written(text.data(), got > 0 ? static_cast<std::size_t>(got) : 0);
  const auto holder = base::parse_decimal<std::uint32_t>(written.substr(0, written.find('\n')));
  if (!taken) {
    LockHeld held;
    if (holder) held.holder = static_cast<pid_t>(*holder);
    return held;
  }
  lock.left_by_dead = holder.has_value();
  const std::string mine = fmt::format("{}\n", ::getpid());
  if (::ftruncate(lock.file.get(), 0) < 0 || ::pwrite(lock.file.get(), mine.data(), mine.size(), 0) < 0) {
    return fail_system("write " + path);
  }
  return lock;
}

void release(FileLock& lock) {
  if (!lock.file) return;
  // Best effort: a stale name only makes the next start a little more patient.
  [[maybe_unused]] const int ignored = ::ftruncate(lock.file.get(), 0);
  lock.file.reset();
}

}  // namespace clawql::os
