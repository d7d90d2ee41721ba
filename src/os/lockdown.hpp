// Giving up, for good and before the first foreign byte, everything a program does not need: capabilities, core dumps,
// tracing, the file system, networks, and every system call that is not on its list. What glibc and OpenSSL
// really call was tried: DECISIONS, "Lock-down".
//
// Call it once, on the only thread, after the loop and every descriptor exist. Afterwards no file can be opened, no
// socket created, no program started; memory stays non-executable. A layer that this kernel lacks is reported, never
// silently left out.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/result.hpp"

namespace clawql::os {

enum class Role : std::uint8_t {
  door,    // accept, read, write, wait
  engine,  // read, write, wait, receive descriptors; append to files it was given
};

// Which layers to put on; tests take one off at a time to show each alone.
enum Layer : std::uint32_t {
  kLayerDescriptors = 1U << 0,   // nothing open but what is expected
  kLayerCapabilities = 1U << 1,  // permitted, inheritable, ambient and bounding set empty; no_new_privs
  kLayerNoDump = 1U << 2,        // not dumpable (no ptrace, /proc closed), no core file
  kLayerLandlock =
      1U << 3,  // no file system, no TCP bind or connect, scoped signals and abstract sockets where the kernel has it
  kLayerSeccomp = 1U << 4,  // allow-list that kills
  kLayersAll = (1U << 5) - 1,
};

struct LayerReport {
  std::string name;  // "seccomp", "landlock (ABI 7)", …
  bool in_force = false;
  std::string detail;  // why not, or what is missing of it on this kernel
};

struct LockdownReport {
  std::vector<LayerReport> layers;
  bool complete() const;  // all layers in force
};

// An error means that a layer failed in a way that is not "this kernel lacks it": the program must not serve.
// `expected_descriptors`: every descriptor that may be open; others are closed, but for the
// epoll, timer and event descriptors that a loop makes for itself. Sanitizer builds put on no seccomp, Landlock and
// no-dump layer and report that.
Result<LockdownReport> lock_down(Role role, std::span<const int> expected_descriptors,
                                 std::uint32_t layers = kLayersAll);

}  // namespace clawql::os
