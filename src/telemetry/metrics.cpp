#include "telemetry/metrics.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.hpp"

namespace clawql::telemetry {
namespace {

void append_label_value(std::string& out, std::string_view value) {
  for (const char c : value) {
    if (c == '\\' || c == '"') out += '\\';
    if (c == '\n')
      out += "\\n";
    else
      out += c;
  }
}

std::string series_name(std::string_view name, const Labels& labels, std::string_view extra_key = {},
                        std::string_view extra_value = {}) {
  std::string out(name);
  if (labels.empty() && extra_key.empty()) return out;
  char separator = '{';
  const auto add = [&](std::string_view key, std::string_view value) {
    out += separator;
    out += key;
    out += "=\"";
    append_label_value(out, value);
    out += '"';
    separator = ',';
  };
  for (const auto& [key, value] : labels) add(key, value);
  if (!extra_key.empty()) add(extra_key, extra_value);
  out += '}';
  return out;
}

}  // namespace

void Histogram::observe_microseconds(std::uint64_t value) {
  const auto bucket =
      std::lower_bound(kBoundsMicroseconds.begin(), kBoundsMicroseconds.end(), value) - kBoundsMicroseconds.begin();
  counts_[static_cast<std::size_t>(bucket)].fetch_add(1, std::memory_order_relaxed);
  sum_microseconds_.fetch_add(value, std::memory_order_relaxed);
}

template <class T>
T& Registry::find(Type type, std::string_view name, std::string_view help, Labels labels) {
  const std::lock_guard lock(mutex_);
  auto [family, is_new] = families_.try_emplace(std::string(name));
  if (is_new) {
    family->second.type = type;
    family->second.help = help;
  }
  CLAWQL_CHECK(family->second.type == type);
  auto& all = family->second.series;
  auto series = std::ranges::find(all, labels, &Series::labels);
  if (series == all.end()) {
    all.emplace_back();
    all.back().labels = std::move(labels);
    series = std::prev(all.end());
  }
  if constexpr (std::is_same_v<T, Counter>)
    return series->counter;
  else if constexpr (std::is_same_v<T, Gauge>)
    return series->gauge;
  else
    return series->histogram;
}

Counter& Registry::counter(std::string_view name, std::string_view help, Labels labels) {
  return find<Counter>(Type::counter, name, help, std::move(labels));
}
Gauge& Registry::gauge(std::string_view name, std::string_view help, Labels labels) {
  return find<Gauge>(Type::gauge, name, help, std::move(labels));
}
Histogram& Registry::histogram(std::string_view name, std::string_view help, Labels labels) {
  return find<Histogram>(Type::histogram, name, help, std::move(labels));
}

std::string Registry::text() const {
  const std::lock_guard lock(mutex_);
  static constexpr std::array<std::string_view, 3> kTypes{"counter", "gauge", "histogram"};
  std::string out;
  auto to = std::back_inserter(out);
  for (const auto& [name, family] : families_) {
    fmt::format_to(to, "# HELP {} {}\n# TYPE {} {}\n", name, family.help, name,
                   kTypes[static_cast<std::size_t>(family.type)]);
    for (const Series& series : family.series) {
      switch (family.type) {
        case Type::counter:
          fmt::format_to(to, "{} {}\n", series_name(name, series.labels), series.counter.value());
          break;
        case Type::gauge: fmt::format_to(to, "{} {}\n", series_name(name, series.labels), series.gauge.value()); break;
        case Type::histogram: {
          std::uint64_t total = 0;
          for (std::size_t i = 0; i <= Histogram::kBoundsMicroseconds.size(); ++i) {
            total += series.histogram.counts_[i].load(std::memory_order_relaxed);
            const std::string bound =
                i < Histogram::kBoundsMicroseconds.size()
                    ? fmt::format("{}", static_cast<double>(Histogram::kBoundsMicroseconds[i]) / 1e6)
                    : "+Inf";
            fmt::format_to(to, "{} {}\n", series_name(name + "_bucket", series.labels, "le", bound), total);
          }
          fmt::format_to(to, "{} {}\n", series_name(name + "_sum", series.labels),
                         static_cast<double>(series.histogram.sum_microseconds_.load(std::memory_order_relaxed)) / 1e6);
          fmt::format_to(to, "{} {}\n", series_name(name + "_count", series.labels), total);
          break;
        }
      }
    }
  }
  return out;
}

}  // namespace clawql::telemetry
