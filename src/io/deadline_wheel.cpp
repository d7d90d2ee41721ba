#include "io/deadline_wheel.hpp"

#include <algorithm>

namespace clawql::io {

std::uint64_t DeadlineWheel::tick_of(base::Microseconds now) {
  return static_cast<std::uint64_t>(now / kTick);
}

void DeadlineWheel::link(Deadline& deadline, std::uint32_t slot) {
  deadline.slot_ = slot;
  deadline.previous_ = nullptr;
  deadline.next_ = heads_[slot];
  if (deadline.next_ != nullptr) deadline.next_->previous_ = &deadline;
  heads_[slot] = &deadline;
}

void DeadlineWheel::unlink(Deadline& deadline) {
  if (deadline.previous_ != nullptr)
    deadline.previous_->next_ = deadline.next_;
  else
    heads_[deadline.slot_] = deadline.next_;
  if (deadline.next_ != nullptr) deadline.next_->previous_ = deadline.previous_;
  deadline.slot_ = Deadline::kNone;
  deadline.previous_ = deadline.next_ = nullptr;
}

void DeadlineWheel::set(Deadline& deadline, base::Microseconds now, base::Milliseconds from_now) {
  if (deadline.is_set()) clear(deadline);
  // Rounded up, so that a deadline is never early; at least the next tick.
  deadline.due_tick_ = std::max(tick_of(now + from_now + kTick - base::Microseconds(1)), last_tick_ + 1);
  link(deadline, static_cast<std::uint32_t>(deadline.due_tick_ % kSlots));
  ++count_;
}

void DeadlineWheel::clear(Deadline& deadline) {
  if (!deadline.is_set()) return;
  unlink(deadline);
  --count_;
}

void DeadlineWheel::collect_slot(std::uint32_t slot, std::uint64_t tick) {
  for (Deadline* deadline = heads_[slot]; deadline != nullptr;) {
    Deadline* const next = deadline->next_;
    if (deadline->due_tick_ <= tick) {  // others in this slot are due in a later round
      unlink(*deadline);
      link(*deadline, kExpired);
    }
    deadline = next;
  }
}

void DeadlineWheel::advance(base::Microseconds now) {
  const std::uint64_t tick = tick_of(now);
  if (tick <= last_tick_) return;
  // After a long pause each slot needs one visit only.
  const std::uint64_t first = tick - last_tick_ > kSlots ? tick - kSlots + 1 : last_tick_ + 1;
  last_tick_ = tick;
  for (std::uint64_t t = first; t <= tick; ++t) collect_slot(static_cast<std::uint32_t>(t % kSlots), tick);
  while (Deadline* deadline = heads_[kExpired]) {
    clear(*deadline);
    const auto task = deadline->on_expiry_;
    (*task)();
  }
}

}  // namespace clawql::io
