// Numbers from outside: digits only, no sign, no blank, no leading zero unless the number is 0, overflow checked.
#pragma once

#include <concepts>
#include <limits>
#include <optional>
#include <string_view>

namespace clawql::base {

template <std::unsigned_integral T>
constexpr std::optional<T> parse_decimal(std::string_view text) {
  if (text.empty() || (text.size() > 1 && text.front() == '0')) return std::nullopt;
  T value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    const T digit = static_cast<T>(c - '0');
    if (value > (std::numeric_limits<T>::max() - digit) / 10) return std::nullopt;
    value = static_cast<T>(value * 10 + digit);
  }
  return value;
}

}  // namespace clawql::base
