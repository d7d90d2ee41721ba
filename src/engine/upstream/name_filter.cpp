#include "engine/upstream/name_filter.hpp"

#include <algorithm>

namespace clawql::engine::upstream {

bool glob_matches(std::string_view pattern, std::string_view name) {
  std::size_t p = 0, n = 0;
  std::size_t star = std::string_view::npos;  // of the last `*` in the pattern
  std::size_t star_name = 0;                  // how far its match reaches
  while (n < name.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      star_name = n;
    } else if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == name[n])) {
      ++p;
      ++n;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      n = ++star_name;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

bool allows(const std::optional<std::vector<std::string>>& patterns, std::string_view name) {
  if (!patterns) return true;
  return std::ranges::any_of(*patterns, [&](const std::string& pattern) { return glob_matches(pattern, name); });
}

}  // namespace clawql::engine::upstream
