#include "supervisor/audit_files.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "os/files.hpp"

namespace clawql::supervisor {

Result<os::Fd> AuditFiles::open() const {
  CLAWQL_TRY(const auto created, os::make_folders(os::parent_of(settings_.path), 0750));
  if (owner_) {
    for (const std::string& folder : created) {
      if (::chown(folder.c_str(), owner_->uid, owner_->gid) < 0) return fail_system("chown " + folder);
    }
  }
  os::Fd file(
      ::open(settings_.path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0640));
  if (!file && errno == EACCES) {
    return fail(fmt::format("the audit file {} is closed to uid {}: `chown -R {} {}`", settings_.path, ::geteuid(),
                            ::geteuid(), os::parent_of(settings_.path)));
  }
  if (!file) return fail_system("open the audit file " + settings_.path);
  struct stat facts{};
  if (::fstat(file.get(), &facts) < 0) return fail_system("look at " + settings_.path);
  if (!S_ISREG(facts.st_mode)) return fail(fmt::format("the audit file {} is no regular file", settings_.path));
  if (facts.st_size == 0 && ::fchmod(file.get(), 0640) < 0) return fail_system("chmod " + settings_.path);
  if (owner_ && facts.st_size == 0 && ::fchown(file.get(), owner_->uid, owner_->gid) < 0) {
    return fail_system("chown " + settings_.path);
  }
  return file;
}

Status AuditFiles::rotate() const {
  for (std::uint32_t number = settings_.files > 0 ? settings_.files - 1 : 0; number >= 1; --number) {
    const std::string from = number == 1 ? settings_.path : fmt::format("{}.{}", settings_.path, number - 1);
    const std::string to = fmt::format("{}.{}", settings_.path, number);
    if (::rename(from.c_str(), to.c_str()) < 0 && errno != ENOENT) return fail_system("rename " + from);
  }
  if (settings_.files <= 1 && ::truncate(settings_.path.c_str(), 0) < 0) return fail_system("empty " + settings_.path);
  return {};
}

Result<os::Fd> AuditFiles::next() const {
  struct stat facts{};
  const bool exists = ::lstat(settings_.path.c_str(), &facts) == 0;
  const bool nearly_full = exists && static_cast<std::uint64_t>(facts.st_size) >= settings_.file_bytes / 4 * 3;
  if (nearly_full) CLAWQL_CHECKED(rotate());
  return open();
}

}  // namespace clawql::supervisor
