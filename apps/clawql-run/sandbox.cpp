#include "sandbox.hpp"

#include <linux/capability.h>
#include <sys/resource.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>

#include "os/capabilities.hpp"
#include "server_filter.hpp"

namespace clawql::run {
namespace {

constexpr std::uint64_t bit(int capability) {
  return std::uint64_t{1} << capability;
}
// What a server that runs as root may keep: the files of others, users, low ports. A server of any other user has no
// capability to keep.
constexpr std::uint64_t kKept = bit(CAP_CHOWN) | bit(CAP_DAC_OVERRIDE) | bit(CAP_FOWNER) | bit(CAP_FSETID) |
                                bit(CAP_KILL) | bit(CAP_SETGID) | bit(CAP_SETUID) | bit(CAP_NET_BIND_SERVICE);

// The gateway raises its own soft limit on descriptors; programs that use select() or walk all possible descriptors
// want the usual one, and may raise it themselves.
constexpr rlim_t kUsualDescriptors = 1024;

// Once there are rules on files, a program still has to load: these are readable then, besides what is named.
constexpr os::LandlockPath kRuntime[] = {
    {"/usr", false},
    {"/bin", false},
    {"/sbin", false},
    {"/lib", false},
    {"/lib32", false},
    {"/lib64", false},
    {"/opt", false},
    {"/etc", false},
    {"/proc", false},
    {"/sys", false},
    {"/dev", false},
    {"/run/systemd/resolve", false},
    {"/dev/null", true},
    {"/dev/zero", true},
    {"/dev/full", true},
    {"/dev/tty", true},
    {"/run/resolvconf", false},
};

bool is_missing(int error) {
  return error == ENOSYS || error == EPERM || error == EOPNOTSUPP;
}

int set_limits() {
  const rlimit no_core{0, 0};
  if (::setrlimit(RLIMIT_CORE, &no_core) != 0) return errno;
  rlimit descriptors{};
  if (::getrlimit(RLIMIT_NOFILE, &descriptors) != 0) return errno;
  descriptors.rlim_cur = std::min(descriptors.rlim_cur, kUsualDescriptors);
  return ::setrlimit(RLIMIT_NOFILE, &descriptors) == 0 ? 0 : errno;
}

os::LandlockOutcome restrict_server(const Arguments& arguments) {
  std::vector<os::LandlockPath> allowed;
  if (!arguments.allowed.empty()) {
    allowed.assign(std::begin(kRuntime), std::end(kRuntime));
    allowed.insert(allowed.end(), arguments.allowed.begin(), arguments.allowed.end());
  }
  return os::restrict_by_landlock({.files = !arguments.allowed.empty(),
                                   .allowed = allowed,
                                   .tcp_bind = !arguments.may_listen,
                                   .tcp_connect = false,
                                   .scopes = true});
}

}  // namespace

SandboxOutcome enter_sandbox(const Arguments& arguments) {
  if (const int error = set_limits(); error != 0) return {error, "resource limits", ""};
  if (const auto outcome = os::limit_capabilities(kKept); outcome.error != 0) {
    return {outcome.error, outcome.failed, ""};
  }
  SandboxOutcome result;
  const auto lacks = [&result](int error, const char* failed, const char* layer) {
    if (is_missing(error)) {
      result.missing = layer;
    } else {
      result.error = error;
      result.failed = failed;
    }
  };
  const os::LandlockOutcome landlock = restrict_server(arguments);
  if (landlock.error != 0) {
    lacks(landlock.error, landlock.failed, "Landlock");
    // Rules that the operator wrote down are never left out.
    if (!arguments.allowed.empty()) return {landlock.error, "the sandbox's file rules", ""};
  } else if (landlock.network_kept || landlock.scopes_kept) {
    result.missing = "Landlock's rules on TCP, signals or abstract sockets";
  }
  if (result.error != 0) return result;
  if (const int error = install_server_filter(arguments.may_listen, arguments.may_use_unix); error != 0) {
    lacks(error, "seccomp", "seccomp");
  }
  return result;
}

}  // namespace clawql::run
