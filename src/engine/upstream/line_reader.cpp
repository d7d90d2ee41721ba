#include "engine/upstream/line_reader.hpp"

namespace clawql::engine::upstream {
namespace {
constexpr std::size_t kKeptCapacity = 256U << 10;  // a larger buffer is given back once its line is done
}

std::optional<std::string_view> LineReader::refuse() {
  too_long_ = true;
  piece_ = {};
  std::string().swap(rest_);
  return std::nullopt;
}

std::optional<std::string_view> LineReader::next() {
  if (handed_out_) {
    handed_out_ = false;
    if (rest_.capacity() > kKeptCapacity)
      std::string().swap(rest_);
    else
      rest_.clear();
  }
  if (too_long_) return std::nullopt;
  const std::size_t end = piece_.find('\n');
  const std::string_view part = piece_.substr(0, end);
  if (rest_.size() + part.size() > limit_) return refuse();
  if (end == std::string_view::npos) {
    rest_.append(part);
    piece_ = {};
    return std::nullopt;
  }
  piece_.remove_prefix(end + 1);
  if (rest_.empty()) return part;
  rest_.append(part);
  handed_out_ = true;
  return rest_;
}

}  // namespace clawql::engine::upstream
