#include "os/landlock.hpp"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

namespace clawql::os {
namespace {

// The same numbers on every architecture.
constexpr long kCreateRuleset = 444;
constexpr long kAddRule = 445;
constexpr long kRestrictSelf = 446;
constexpr std::uint32_t kVersionFlag = 1;
constexpr int kPathBeneath = 1;

// Rights of files: bit 0 execute, 1 write, 2 read, 3 read_dir, 4-12 remove and make, 13 refer, 14 truncate, 15 ioctl on
// devices.
constexpr std::uint64_t kExecute = 1U << 0;
constexpr std::uint64_t kWriteFile = 1U << 1;
constexpr std::uint64_t kReadFile = 1U << 2;
constexpr std::uint64_t kReadDir = 1U << 3;
constexpr std::uint64_t kTruncate = 1U << 14;
constexpr std::uint64_t kDeviceIoctl = 1U << 15;
constexpr std::uint64_t kRightsOfFiles = kExecute | kWriteFile | kReadFile | kTruncate | kDeviceIoctl;
constexpr std::uint64_t kReadOnly = kExecute | kReadFile | kReadDir;

constexpr std::uint64_t kBindTcp = 1U << 0;
constexpr std::uint64_t kConnectTcp = 1U << 1;
constexpr std::uint64_t kScopeAbstractSocket = 1U << 0;
constexpr std::uint64_t kScopeSignal = 1U << 1;

struct RulesetAttributes {
  std::uint64_t handled_files;
  std::uint64_t handled_network;  // from ABI 4
  std::uint64_t scoped;           // from ABI 6
};

struct [[gnu::packed]] PathRule {
  std::uint64_t allowed;
  std::int32_t parent;
};

std::uint64_t file_rights(int abi) {
  if (abi >= 5) return (1U << 16) - 1;
  if (abi >= 3) return (1U << 15) - 1;
  return abi == 2 ? (1U << 14) - 1 : (1U << 13) - 1;
}

// The kernel takes a shorter structure, never a longer one with bits that it does not know.
std::size_t attributes_size(int abi) {
  if (abi >= 6) return sizeof(RulesetAttributes);
  return abi >= 4 ? 2 * sizeof(std::uint64_t) : sizeof(std::uint64_t);
}

RulesetAttributes attributes_of(const LandlockRequest& request, int abi) {
  RulesetAttributes attributes{};
  if (request.files) attributes.handled_files = file_rights(abi);
  if (abi >= 4) {
    if (request.tcp_bind) attributes.handled_network |= kBindTcp;
    if (request.tcp_connect) attributes.handled_network |= kConnectTcp;
  }
  if (abi >= 6 && request.scopes) attributes.scoped = kScopeAbstractSocket | kScopeSignal;
  return attributes;
}

// 0 or an errno value.
int allow_path(int ruleset, const LandlockPath& path, std::uint64_t handled) {
  const int fd = ::open(path.path, O_PATH | O_CLOEXEC);
  if (fd < 0) return errno == ENOENT ? 0 : errno;
  struct stat status{};
  int error = ::fstat(fd, &status) == 0 ? 0 : errno;
  if (error == 0) {
    PathRule rule{handled, fd};
    if (!path.writable) rule.allowed &= kReadOnly;
    if (!S_ISDIR(status.st_mode)) rule.allowed &= kRightsOfFiles;
    if (::syscall(kAddRule, ruleset, kPathBeneath, &rule, 0) != 0) error = errno;
  }
  ::close(fd);
  return error;
}

}  // namespace

LandlockOutcome restrict_by_landlock(const LandlockRequest& request) {
  LandlockOutcome outcome;
  const auto failed = [&outcome](const char* what, int error) {
    outcome.failed = what;
    outcome.error = error;
    return outcome;
  };
  const long abi = ::syscall(kCreateRuleset, nullptr, 0, kVersionFlag);
  if (abi < 0) return failed("landlock_create_ruleset", errno);
  outcome.abi = static_cast<int>(abi);
  outcome.network_kept = outcome.abi < 4 && (request.tcp_bind || request.tcp_connect);
  outcome.scopes_kept = outcome.abi < 6 && request.scopes;
  outcome.truncate_kept = outcome.abi < 3 && request.files;

  const RulesetAttributes attributes = attributes_of(request, outcome.abi);
  if (attributes.handled_files == 0 && attributes.handled_network == 0 && attributes.scoped == 0) {
    return failed("nothing of what was asked for is known to this kernel", EOPNOTSUPP);
  }
  const long created = ::syscall(kCreateRuleset, &attributes, attributes_size(outcome.abi), 0);
  if (created < 0) return failed("landlock_create_ruleset", errno);
  const int ruleset = static_cast<int>(created);
  for (const LandlockPath& path : request.allowed) {
    if (outcome.error != 0) break;
    if (const int error = allow_path(ruleset, path, attributes.handled_files); error != 0) failed(path.path, error);
  }
  if (outcome.error == 0 && ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) failed("prctl(PR_SET_NO_NEW_PRIVS)", errno);
  if (outcome.error == 0 && ::syscall(kRestrictSelf, ruleset, 0) != 0) failed("landlock_restrict_self", errno);
  ::close(ruleset);
  return outcome;
}

}  // namespace clawql::os
