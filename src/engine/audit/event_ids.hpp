// Names of audit events: UUIDs of version 4 (RFC 9562 section 5.4). The kernel's randomness is drawn for many at once,
// because a system call a record would cost as much as the rest of the record.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/appender.hpp"
#include "base/result.hpp"

namespace clawql::engine::audit {

class EventIds {
 public:
  // Appends 36 characters, "xxxxxxxx-xxxx-4xxx-yxxx-xxxxxxxxxxxx". Fails when the kernel gives no randomness.
  Status append_next(base::Appender& out);

 private:
  static constexpr std::size_t kIdBytes = 16;
  static constexpr std::size_t kCharacters = 36;
  static constexpr std::size_t kBatch = 256;
  Status refill();
  std::array<std::uint8_t, kIdBytes * kBatch> random_{};
  std::size_t used_ = kIdBytes * kBatch;
};

}  // namespace clawql::engine::audit
