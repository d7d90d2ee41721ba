#include "base/secret.hpp"

#include <strings.h>

#include <cstring>

namespace clawql::base {

bool Secret::equals(std::string_view candidate) const {
  unsigned difference = value_.size() == candidate.size() ? 0U : 1U;
  for (std::size_t i = 0; i < candidate.size(); ++i) {
    const char mine = value_.empty() ? '\0' : value_[i % value_.size()];
    difference |= static_cast<unsigned char>(mine) ^ static_cast<unsigned char>(candidate[i]);
  }
  return difference == 0;
}

void Secret::wipe() noexcept {
  // resize to capacity first: a moved-from or shortened string may hold old bytes beyond its size.
  value_.resize(value_.capacity());
  explicit_bzero(value_.data(), value_.size());
  value_.clear();
}

}  // namespace clawql::base
