// Time is handed in, so that a test can stand still or jump. Monotonic time decides; wall time is only ever printed.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace clawql::base {

using Milliseconds = std::chrono::milliseconds;
using Microseconds = std::chrono::microseconds;

class Clock {
 public:
  virtual ~Clock() = default;
  virtual Microseconds monotonic() const = 0;         // since an unknown start; never runs back
  virtual std::int64_t wall_nanoseconds() const = 0;  // since 1970-01-01T00:00:00Z
};

class SystemClock final : public Clock {
 public:
  Microseconds monotonic() const override;
  std::int64_t wall_nanoseconds() const override;
};

class FakeClock final : public Clock {
 public:
  Microseconds monotonic() const override { return now_; }
  std::int64_t wall_nanoseconds() const override { return wall_base_ + now_.count() * 1000; }
  void advance(Microseconds by) { now_ += by; }

 private:
  Microseconds now_{1'000'000};
  std::int64_t wall_base_ = 1'795'000'000'000'000'000;
};

// "2026-11-24T11:22:16.123456789Z". Own arithmetic: gmtime_r opens /etc/localtime, which a locked-down process cannot.
std::string format_utc(std::int64_t wall_nanoseconds);
// "Tue, 24 Nov 2026 11:22:16 GMT" (IMF-fixdate, RFC 9110 section 5.6.7).
std::string format_http_date(std::int64_t wall_nanoseconds);

}  // namespace clawql::base
