// What each member of base::Limits may be set to, and what it is for. The least value is one that still serves a
// client; the greatest one that a machine of ours survives.
#pragma once

#include <cstdint>
#include <string_view>

namespace clawql::config {

struct LimitRange {
  std::string_view member;  // as in base::Limits
  std::uint64_t minimum;
  std::uint64_t maximum;
  std::string_view doc;
};

// nullptr: base::Limits has no such member.
const LimitRange* find_limit_range(std::string_view member);

}  // namespace clawql::config
