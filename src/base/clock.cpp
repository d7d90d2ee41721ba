#include "base/clock.hpp"

#include <fmt/format.h>

#include <array>
#include <ctime>

namespace clawql::base {
namespace {

constexpr std::int64_t kBillion = 1'000'000'000;

struct Civil {
  std::int64_t year;
  unsigned month, day, hour, minute, second, weekday;  // month 1..12, weekday 0 = Sunday
  std::int64_t nanosecond;
};

Civil civil_of(std::int64_t wall_nanoseconds) {
  std::int64_t seconds = wall_nanoseconds / kBillion;
  std::int64_t rest = wall_nanoseconds % kBillion;
  if (rest < 0) {
    rest += kBillion;
    --seconds;
  }
  const auto point = std::chrono::sys_seconds(std::chrono::seconds(seconds));
  const auto day = std::chrono::floor<std::chrono::days>(point);
  const std::chrono::year_month_day date(day);
  const auto of_day = static_cast<unsigned>((point - day).count());
  return {.year = static_cast<int>(date.year()),
          .month = static_cast<unsigned>(date.month()),
          .day = static_cast<unsigned>(date.day()),
          .hour = of_day / 3600,
          .minute = of_day / 60 % 60,
          .second = of_day % 60,
          .weekday = std::chrono::weekday(day).c_encoding(),
          .nanosecond = rest};
}

timespec read_clock(clockid_t id) {
  timespec now{};
  static_cast<void>(clock_gettime(id, &now));  // fails for an unknown clock alone
  return now;
}

}  // namespace

Microseconds SystemClock::monotonic() const {
  const timespec now = read_clock(CLOCK_MONOTONIC);
  return Microseconds(now.tv_sec * 1'000'000 + now.tv_nsec / 1000);
}

std::int64_t SystemClock::wall_nanoseconds() const {
  const timespec now = read_clock(CLOCK_REALTIME);
  return now.tv_sec * kBillion + now.tv_nsec;
}

std::string format_utc(std::int64_t wall_nanoseconds) {
  const Civil t = civil_of(wall_nanoseconds);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:09}Z", t.year, t.month, t.day, t.hour, t.minute, t.second,
                     t.nanosecond);
}

std::string format_http_date(std::int64_t wall_nanoseconds) {
  static constexpr std::array kDays{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr std::array kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const Civil t = civil_of(wall_nanoseconds);
  return fmt::format("{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT", kDays[t.weekday], t.day, kMonths[t.month - 1], t.year,
                     t.hour, t.minute, t.second);
}

}  // namespace clawql::base
