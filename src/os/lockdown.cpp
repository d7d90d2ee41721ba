#include "os/lockdown.hpp"

#include <dirent.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <functional>
#include <memory>
#include <string_view>

#include "base/decimal.hpp"
#include "os/capabilities.hpp"
#include "os/landlock.hpp"
#include "os/seccomp.hpp"

namespace clawql::os {
namespace {

#ifdef CLAWQL_SANITIZED
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif
constexpr std::string_view kNotInSanitizerBuilds = "not in a sanitizer build: LeakSanitizer traces and reads /proc";

// "This kernel (or this container) lacks it", as opposed to a mistake of ours.
bool is_missing(int error) {
  return error == ENOSYS || error == EPERM || error == EOPNOTSUPP;
}

// A layer that failed: reported where the kernel lacks it, else an error.
Result<LayerReport> lacking(std::string name, std::string_view what, int error) {
  if (!is_missing(error)) return fail_system(std::string(what), error);
  return LayerReport{std::move(name), false, Error::system(what, error).message};
}

// Descriptors that a loop makes for itself, which its owner cannot name; none of them leads anywhere.
bool belongs_to_a_loop(std::string_view target) {
  return target == "anon_inode:[eventpoll]" || target == "anon_inode:[eventfd]";
}

std::string target_of(int directory, const char* name) {
  std::array<char, 256> target{};
  const ssize_t length = ::readlinkat(directory, name, target.data(), target.size());
  return length < 0 ? std::string() : std::string(target.data(), static_cast<std::size_t>(length));
}

// Needs /proc, as finding our own programs does.
Result<LayerReport> close_unexpected(std::span<const int> expected) {
  LayerReport report{"descriptors", false, {}};
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(::opendir("/proc/self/fd"), ::closedir);
  if (!directory) {
    report.detail = Error::system("/proc/self/fd").message;
    return report;
  }
  const int own = ::dirfd(directory.get());
  std::vector<std::pair<int, std::string>> unexpected;
  while (const dirent* entry = ::readdir(directory.get())) {
    const auto number = base::parse_decimal<unsigned>(entry->d_name);
    if (!number) continue;
    const int fd = static_cast<int>(*number);
    if (fd == own || std::ranges::find(expected, fd) != expected.end()) continue;
    if (std::string target = target_of(own, entry->d_name); !belongs_to_a_loop(target)) {
      unexpected.emplace_back(fd, std::move(target));
    }
  }
  for (const auto& [fd, target] : unexpected) {
    ::close(fd);
    report.detail += (report.detail.empty() ? "closed " : ", ") + std::to_string(fd) + " (" + target + ")";
  }
  report.in_force = true;
  return report;
}

Result<LayerReport> drop_capabilities() {
  const CapabilityOutcome outcome = limit_capabilities(0);
  if (outcome.error != 0) return lacking("capabilities", outcome.failed, outcome.error);
  return LayerReport{"capabilities", true, outcome.bounding_kept ? "bounding set kept, no_new_privs voids it" : ""};
}

Result<LayerReport> forbid_dumps() {
  if (kSanitized) return LayerReport{"no-dump", false, std::string(kNotInSanitizerBuilds)};
  const rlimit none{0, 0};
  if (::setrlimit(RLIMIT_CORE, &none) != 0) return fail_system("setrlimit(RLIMIT_CORE)");
  if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) return fail_system("prctl(PR_SET_DUMPABLE)");
  return LayerReport{"no-dump", true, {}};
}

Result<LayerReport> give_up_files_and_networks() {
  if (kSanitized) return LayerReport{"landlock", false, std::string(kNotInSanitizerBuilds)};
  const LandlockOutcome outcome =
      restrict_by_landlock({.files = true, .allowed = {}, .tcp_bind = true, .tcp_connect = true, .scopes = true});
  if (outcome.error != 0) return lacking("landlock", outcome.failed, outcome.error);
  LayerReport report{"landlock (ABI " + std::to_string(outcome.abi) + ")", true, {}};
  const auto kept = [&report](bool is_kept, std::string_view what) {
    if (is_kept) report.detail.append(report.detail.empty() ? "this kernel cannot restrict " : ", ").append(what);
  };
  kept(outcome.network_kept, "TCP");
  kept(outcome.scopes_kept, "signals and abstract sockets");
  kept(outcome.truncate_kept, "truncation");
  return report;
}

Result<LayerReport> keep_listed_calls(Role role) {
  if (kSanitized) return LayerReport{"seccomp", false, std::string(kNotInSanitizerBuilds)};
  const Status installed = install_allow_list(role);
  if (installed) return LayerReport{"seccomp", true, {}};
  if (!is_missing(installed.error().system_errno)) return std::unexpected(installed.error());
  return LayerReport{"seccomp", false, installed.error().message};
}

}  // namespace

bool LockdownReport::complete() const {
  return std::ranges::all_of(layers, &LayerReport::in_force);
}

// The order matters: what needs privilege first, the filter that forbids the others' calls last.
Result<LockdownReport> lock_down(Role role, std::span<const int> expected_descriptors, std::uint32_t layers) {
  LockdownReport report;
  const auto put_on = [&](Layer layer, auto&& step) -> Status {
    if ((layers & layer) == 0) return {};
    CLAWQL_TRY(LayerReport result, step());
    report.layers.push_back(std::move(result));
    return {};
  };
  CLAWQL_CHECKED(put_on(kLayerDescriptors, [&] { return close_unexpected(expected_descriptors); }));
  CLAWQL_CHECKED(put_on(kLayerCapabilities, drop_capabilities));
  CLAWQL_CHECKED(put_on(kLayerNoDump, forbid_dumps));
  CLAWQL_CHECKED(put_on(kLayerLandlock, give_up_files_and_networks));
  CLAWQL_CHECKED(put_on(kLayerSeccomp, [role] { return keep_listed_calls(role); }));
  return report;
}

}  // namespace clawql::os
