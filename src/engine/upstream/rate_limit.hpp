// So many events a second and no more, with a burst: keeps a server that floods from flooding our log.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>

#include "base/clock.hpp"

namespace clawql::engine::upstream {

class RateLimit {
 public:
  RateLimit(std::uint32_t per_second, std::uint32_t burst) : interval_(1'000'000 / per_second), burst_(burst) {}

  // True when this one may pass; else it is counted.
  bool take(base::Microseconds now) {
    earliest_ = std::max(earliest_, now - interval_ * burst_);
    if (earliest_ + interval_ > now) {
      ++suppressed_;
      return false;
    }
    earliest_ += interval_;
    return true;
  }
  // How many did not pass since the last call of this.
  std::uint64_t take_suppressed() { return std::exchange(suppressed_, 0); }

 private:
  base::Microseconds interval_;
  std::int64_t burst_;
  base::Microseconds earliest_{std::int64_t{-1} << 60};  // long ago: the burst is there from the start
  std::uint64_t suppressed_ = 0;
};

}  // namespace clawql::engine::upstream
