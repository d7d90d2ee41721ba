// Counters, gauges and histograms of one program, written as Prometheus text (exposition format 0.0.4). Own writer: the
// packaged library brings a web server. Counting is one relaxed add on a reference that the owner keeps; names and
// labels are fixed words, never text from outside.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace clawql::telemetry {

class Counter {
 public:
  void add(std::uint64_t n = 1) { value_.fetch_add(n, std::memory_order_relaxed); }
  std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

class Gauge {
 public:
  void set(std::int64_t value) { value_.store(value, std::memory_order_relaxed); }
  void add(std::int64_t by) { value_.fetch_add(by, std::memory_order_relaxed); }
  std::int64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::int64_t> value_{0};
};

// Durations in seconds, in fixed buckets from 100 µs to 60 s.
class Histogram {
 public:
  static constexpr std::array<std::uint64_t, 12> kBoundsMicroseconds{
      100, 250, 1'000, 2'500, 10'000, 50'000, 250'000, 500'000, 1'000'000, 5'000'000, 30'000'000, 60'000'000};
  void observe_microseconds(std::uint64_t value);

 private:
  friend class Registry;
  std::array<std::atomic<std::uint64_t>, kBoundsMicroseconds.size() + 1> counts_{};
  std::atomic<std::uint64_t> sum_microseconds_{0};
};

using Labels = std::vector<std::pair<std::string, std::string>>;

class Registry {
 public:
  // The same name and labels give the same object; references stay valid for the registry's life. Safe from every
  // thread.
  Counter& counter(std::string_view name, std::string_view help, Labels labels = {});
  Gauge& gauge(std::string_view name, std::string_view help, Labels labels = {});
  Histogram& histogram(std::string_view name, std::string_view help, Labels labels = {});
  std::string text() const;

 private:
  enum class Type : std::uint8_t { counter, gauge, histogram };
  template <class T>
  T& find(Type type, std::string_view name, std::string_view help, Labels labels);
  mutable std::mutex mutex_;
  struct Series {
    Labels labels;
    Counter counter;
    Gauge gauge;
    Histogram histogram;
  };
  struct Family {
    Type type{};
    std::string help;
    std::deque<Series> series;
  };
  std::map<std::string, Family, std::less<>> families_;
};

}  // namespace clawql::telemetry
