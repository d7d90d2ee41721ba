// Giving up capabilities by the raw system calls, without libcap, because the static launcher uses it as well.
#pragma once

#include <cstdint>

namespace clawql::os {

struct CapabilityOutcome {
  int error = 0;               // errno of the call that failed, 0: done
  const char* failed = "";     // that call
  bool bounding_kept = false;  // the bounding set could not be reduced (no CAP_SETPCAP); harmless with no_new_privs
};

// Sets no_new_privs, empties the ambient set and cuts the bounding, permitted, effective and inheritable sets down to
// `keep` (bit N = capability N).
CapabilityOutcome limit_capabilities(std::uint64_t keep);

}  // namespace clawql::os
