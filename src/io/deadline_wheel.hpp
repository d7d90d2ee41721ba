// The deadlines of one loop: a hashed timing wheel of 100 ms ticks. Setting and clearing are a few pointer writes.
#pragma once

#include <array>
#include <cstdint>

#include "base/clock.hpp"
#include "io/loop.hpp"

namespace clawql::io {

class DeadlineWheel {
 public:
  static constexpr base::Milliseconds kTick{100};

  explicit DeadlineWheel(base::Microseconds now) : last_tick_(tick_of(now)) {}
  void set(Deadline& deadline, base::Microseconds now, base::Milliseconds from_now);
  void clear(Deadline& deadline);
  // Calls what is due. Tasks may set, clear and destroy any deadline.
  void advance(base::Microseconds now);
  bool empty() const { return count_ == 0; }

 private:
  static constexpr std::uint32_t kSlots = 1024;
  static constexpr std::uint32_t kExpired = kSlots;  // the list of those whose task is about to be called
  static std::uint64_t tick_of(base::Microseconds now);
  void link(Deadline& deadline, std::uint32_t slot);
  void unlink(Deadline& deadline);
  void collect_slot(std::uint32_t slot, std::uint64_t tick);

  std::array<Deadline*, kSlots + 1> heads_{};
  std::uint64_t last_tick_;
  std::size_t count_ = 0;
};

}  // namespace clawql::io
