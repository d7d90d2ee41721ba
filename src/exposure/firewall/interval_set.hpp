// A set of whole numbers as sorted, disjoint, closed intervals: exact union, intersection and difference. Every field
// of a packet is such a number: ports and states as they are, addresses as 32 or 128 bits, interface names as their
// bytes.
#pragma once

#include <cstdint>
#include <vector>

namespace clawql::exposure::firewall {

__extension__ typedef unsigned __int128 Number;

struct Interval {
  Number first;
  Number last;  // inclusive, never below first
  bool operator==(const Interval&) const = default;
};

class IntervalSet {
 public:
  IntervalSet() = default;  // empty
  // Empty when last is below first.
  IntervalSet(Number first, Number last);
  static IntervalSet of(Number value) { return {value, value}; }
  // In any order, overlaps allowed.
  static IntervalSet of(std::vector<Interval> intervals);

  bool empty() const { return intervals_.empty(); }
  bool contains(Number value) const;
  bool contains(const IntervalSet& other) const;
  bool overlaps(const IntervalSet& other) const;
  bool is_single() const { return intervals_.size() == 1 && intervals_[0].first == intervals_[0].last; }
  const std::vector<Interval>& intervals() const { return intervals_; }

  IntervalSet united(const IntervalSet& other) const;
  IntervalSet intersected(const IntervalSet& other) const;
  IntervalSet without(const IntervalSet& other) const;
  bool operator==(const IntervalSet&) const = default;

 private:
  std::vector<Interval> intervals_;  // sorted, disjoint, not touching
};

}  // namespace clawql::exposure::firewall
