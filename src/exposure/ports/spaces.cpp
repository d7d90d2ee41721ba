#include "exposure/ports/spaces.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <sys/stat.h>

#include <thread>

#include "exposure/ports/text.hpp"
#include "os/fd.hpp"

namespace clawql::exposure::ports {
namespace {

// A pid may have been reused and a mount point mounted over since: only the namespace that was meant counts.
Result<os::Fd> open_space(const SpaceSeen& space, std::uint64_t inode) {
  Error last{"it vanished while it was read", ENOENT};
  for (const std::string& path : space.paths) {
    os::Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    struct stat facts{};
    if (!fd) {
      if (errno != ENOENT) last = Error::system(path);
    } else if (::fstat(fd.get(), &facts) == 0 && facts.st_ino == inode) {
      return fd;
    }
  }
  return std::unexpected(std::move(last));
}

}  // namespace

Status in_space(const SpaceSeen& space, std::uint64_t inode, const std::function<void()>& work) {
  CLAWQL_TRY(const os::Fd fd, open_space(space, inode));
  Status result;
  std::thread inside([&] {
    if (::setns(fd.get(), CLONE_NEWNET) != 0) {
      result = fail_system("setns");
      return;
    }
    work();
  });
  inside.join();
  return result;
}

std::string label_of(const SpaceSeen& space, std::uint64_t inode, const std::string& proc) {
  if (!space.name.empty()) return printable_bytes(space.name);
  const pid_t pid = space.process != 0 ? space.process : space.keeper;
  const auto owner = pid == 0 ? std::nullopt : read_owner(proc, pid);
  if (owner && !owner->container.empty()) return "docker:" + owner->container;
  if (owner && !owner->executable.empty()) return "exe:" + printable_bytes(owner->executable);
  if (!space.paths.empty() && space.process == 0) return printable_bytes(space.paths.front());
  return fmt::format("net:{}", inode);
}

}  // namespace clawql::exposure::ports
