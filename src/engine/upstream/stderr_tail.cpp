#include "engine/upstream/stderr_tail.hpp"

#include <algorithm>
#include <utility>

#include "base/log.hpp"

namespace clawql::engine::upstream {
namespace {
std::string escaped(std::string_view line) {
  std::string quoted;
  base::append_json_string(quoted, line, StderrTail::kLineBytes);
  return quoted.substr(1, quoted.size() - 2);
}
}  // namespace

std::vector<std::string> StderrTail::feed(std::string_view bytes) {
  std::vector<std::string> finished;
  while (!bytes.empty()) {
    const std::size_t end = bytes.find('\n');
    const std::string_view part = bytes.substr(0, end);
    // One byte more than is kept tells the writer to put "…" where the line was cut.
    if (current_.size() <= kLineBytes) current_.append(part.substr(0, kLineBytes + 1 - current_.size()));
    if (end == std::string_view::npos) break;
    bytes.remove_prefix(end + 1);
    if (!current_.empty() && current_.back() == '\r') current_.pop_back();
    if (current_.empty()) continue;
    lines_.push_back(escaped(current_));
    if (lines_.size() > kLines) lines_.pop_front();
    if (finished.size() < kLines) finished.push_back(std::exchange(current_, {}));
    current_.clear();
  }
  return finished;
}

std::vector<std::string> StderrTail::last(std::size_t count) const {
  const std::size_t have = std::min(count, lines_.size());
  return {lines_.end() - static_cast<std::ptrdiff_t>(have), lines_.end()};
}

}  // namespace clawql::engine::upstream
