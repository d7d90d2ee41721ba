#include "exposure/firewall/interval_set.hpp"

#include <algorithm>
#include <utility>

namespace clawql::exposure::firewall {

IntervalSet::IntervalSet(Number first, Number last) {
  if (first <= last) intervals_.push_back({first, last});
}

IntervalSet IntervalSet::of(std::vector<Interval> intervals) {
  std::erase_if(intervals, [](const Interval& one) { return one.last < one.first; });
  std::ranges::sort(intervals, {}, &Interval::first);
  IntervalSet out;
  for (const Interval& next : intervals) {
    // Touching intervals become one, so that equal sets are equal values. The first test keeps `last + 1` from
    // wrapping.
    if (!out.intervals_.empty() &&
        (next.first <= out.intervals_.back().last || next.first == out.intervals_.back().last + 1))
      out.intervals_.back().last = std::max(out.intervals_.back().last, next.last);
    else
      out.intervals_.push_back(next);
  }
  return out;
}

bool IntervalSet::contains(Number value) const {
  const auto after = std::ranges::upper_bound(intervals_, value, {}, &Interval::first);
  return after != intervals_.begin() && std::prev(after)->last >= value;
}

bool IntervalSet::contains(const IntervalSet& other) const {
  return std::ranges::all_of(other.intervals_, [this](const Interval& one) {
    const auto after = std::ranges::upper_bound(intervals_, one.first, {}, &Interval::first);
    return after != intervals_.begin() && std::prev(after)->last >= one.last;
  });
}

bool IntervalSet::overlaps(const IntervalSet& other) const {
  const IntervalSet& few = intervals_.size() < other.intervals_.size() ? *this : other;
  const IntervalSet& many = &few == this ? other : *this;
  return std::ranges::any_of(few.intervals_, [&many](const Interval& one) {
    const auto after = std::ranges::upper_bound(many.intervals_, one.last, {}, &Interval::first);
    return after != many.intervals_.begin() && std::prev(after)->last >= one.first;
  });
}

IntervalSet IntervalSet::united(const IntervalSet& other) const {
  if (other.empty()) return *this;
  if (empty()) return other;
  std::vector<Interval> all = intervals_;
  all.insert(all.end(), other.intervals_.begin(), other.intervals_.end());
  return of(std::move(all));
}

IntervalSet IntervalSet::intersected(const IntervalSet& other) const {
  IntervalSet out;
  auto left = intervals_.begin();
  auto right = other.intervals_.begin();
  while (left != intervals_.end() && right != other.intervals_.end()) {
    const Number first = std::max(left->first, right->first);
    const Number last = std::min(left->last, right->last);
    if (first <= last) out.intervals_.push_back({first, last});
    if (left->last < right->last)
      ++left;
    else
      ++right;
  }
  return out;
}

IntervalSet IntervalSet::without(const IntervalSet& other) const {
  IntervalSet out;
  auto hole = other.intervals_.begin();
  for (const Interval& one : intervals_) {
    Number first = one.first;
    while (hole != other.intervals_.end() && hole->last < first) ++hole;
    bool used_up = false;
    for (auto at = hole; at != other.intervals_.end() && at->first <= one.last; ++at) {
      if (at->first > first) out.intervals_.push_back({first, at->first - 1});
      if (at->last >= one.last) {
        used_up = true;
        break;
      }
      first = at->last + 1;
    }
    if (!used_up) out.intervals_.push_back({first, one.last});
  }
  return out;
}

}  // namespace clawql::exposure::firewall
