#include "files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <climits>
#include <cstdlib>

#include "os/fd.hpp"
#include "os/files.hpp"

namespace clawql::cli {
namespace {

constexpr std::size_t kMaxBytes = 64U << 20;

Status write_all(const os::Fd& file, std::string_view content, const std::string& path) {
  while (!content.empty()) {
    const ssize_t size = write(file.get(), content.data(), content.size());
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return fail_system(path);
    content.remove_prefix(static_cast<std::size_t>(size));
  }
  if (fsync(file.get()) != 0) return fail_system(path);
  return {};
}

// A new file of that mode; fails with EEXIST when there is one.
Status create(const std::string& path, std::string_view content, mode_t mode, const struct stat* like) {
  const os::Fd file(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file) return fail_system(path);
  const bool same_owner = like == nullptr || (like->st_uid == geteuid() && like->st_gid == getegid());
  // Without the right to give the file away it stays the caller's, and its group gets no access.
  if (!same_owner && fchown(file.get(), like->st_uid, like->st_gid) != 0) mode &= 0700U;
  if (fchmod(file.get(), mode) != 0) return fail_system(path);
  return write_all(file, content, path);
}

Result<std::string> keep_old(const std::string& path, const struct stat& facts) {
  CLAWQL_TRY(const std::string old, read_file(path));
  for (int number = 1; number < 1000; ++number) {
    std::string backup = path + ".bak" + (number == 1 ? "" : std::to_string(number));
    const Status created = create(backup, old, facts.st_mode & 0777U, &facts);
    if (created) return backup;
    if (created.error().system_errno != EEXIST) return std::unexpected(created.error());
  }
  return fail(path + ": there are a thousand copies of it already");
}

// Where a symlink leads, so that it stays one.
std::string resolved(const std::string& path) {
  std::array<char, PATH_MAX> buffer{};
  return realpath(path.c_str(), buffer.data()) != nullptr ? std::string(buffer.data()) : path;
}

}  // namespace

Result<std::optional<std::string>> read_file_if_there(const std::string& path) {
  const os::Fd file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file && errno == ENOENT) return std::nullopt;
  if (!file) return fail_system(path);
  struct stat facts{};
  if (fstat(file.get(), &facts) != 0) return fail_system(path);
  if (!S_ISREG(facts.st_mode)) return fail(path + ": not a regular file");
  std::string text;
  std::array<char, 65536> buffer;
  while (true) {
    const ssize_t size = read(file.get(), buffer.data(), buffer.size());
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return fail_system(path);
    if (size == 0) return text;
    text.append(buffer.data(), static_cast<std::size_t>(size));
    if (text.size() > kMaxBytes) return fail(path + ": larger than " + std::to_string(kMaxBytes) + " bytes");
  }
}

Result<std::string> read_file(const std::string& path) {
  CLAWQL_TRY(auto text, read_file_if_there(path));
  if (!text) return fail_system(path, ENOENT);
  return std::move(*text);
}

Result<std::string> replace_file(const std::string& requested, std::string_view content) {
  const std::string path = resolved(requested);
  struct stat facts{};
  const bool exists = stat(path.c_str(), &facts) == 0;
  std::string backup;
  if (exists) {
    CLAWQL_TRY(backup, keep_old(path, facts));
  } else if (path.starts_with('/')) {
    CLAWQL_TRY([[maybe_unused]] const auto made, os::make_folders(os::parent_of(path), 0700));
  }
  const std::string fresh = path + ".clawql-new";
  unlink(fresh.c_str());  // of a run that was interrupted
  CLAWQL_CHECKED(create(fresh, content, exists ? facts.st_mode & 0777U : 0600U, exists ? &facts : nullptr));
  if (rename(fresh.c_str(), path.c_str()) != 0) return fail_system(path);
  return backup;
}

}  // namespace clawql::cli
