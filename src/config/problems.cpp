#include "config/problems.hpp"

#include <algorithm>

#include "base/log.hpp"

namespace clawql::config {

void Problems::add(Mark mark, std::string text) {
  const auto after = std::ranges::upper_bound(problems_, mark, {}, &Problem::mark);
  problems_.insert(after, {mark, std::move(text)});
}

std::string Problems::where(Mark mark) const {
  return path_ + ':' + std::to_string(mark.line) + ':' + std::to_string(mark.column);
}

std::string Problems::text() const {
  std::string out;
  for (const Problem& problem : problems_) {
    if (!out.empty()) out += '\n';
    out += where(problem.mark) + ": " + problem.text;
  }
  return out;
}

std::string quote(std::string_view text) {
  std::string out;
  base::append_json_string(out, text, 64);
  return out;
}

}  // namespace clawql::config
