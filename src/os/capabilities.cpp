#include "os/capabilities.hpp"

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

namespace clawql::os {
namespace {

constexpr int kSets = 2;  // version 3 holds 64 bits in two parts
constexpr int kMostCapabilities = 64;

// 0 or an errno value. A capability that the kernel does not know answers EINVAL: the end of the list.
int reduce_bounding_set(std::uint64_t keep) {
  for (int capability = 0; capability < kMostCapabilities; ++capability) {
    const int present = ::prctl(PR_CAPBSET_READ, capability, 0, 0, 0);
    if (present < 0) return errno == EINVAL ? 0 : errno;
    if (present == 0 || (keep >> capability & 1U) != 0) continue;
    if (::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0) return errno;
  }
  return 0;
}

}  // namespace

CapabilityOutcome limit_capabilities(std::uint64_t keep) {
  CapabilityOutcome outcome;
  const auto failed = [&outcome](const char* what) {
    outcome.failed = what;
    outcome.error = errno;
    return outcome;
  };
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return failed("prctl(PR_SET_NO_NEW_PRIVS)");
  if (::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0) return failed("prctl(PR_CAP_AMBIENT)");
  outcome.bounding_kept = reduce_bounding_set(keep) != 0;

  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct sets[kSets]{};
  if (::syscall(SYS_capget, &header, sets) != 0) return failed("capget");
  for (int part = 0; part < kSets; ++part) {
    const auto kept = static_cast<std::uint32_t>(keep >> (32 * part));
    sets[part].permitted &= kept;
    sets[part].effective &= kept;
    sets[part].inheritable = 0;
  }
  if (::syscall(SYS_capset, &header, sets) != 0) return failed("capset");
  return outcome;
}

}  // namespace clawql::os
