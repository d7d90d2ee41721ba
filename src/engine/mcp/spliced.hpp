// A message of which a few slices are replaced (an id, a progress token) or widened, without a copy: every other byte
// goes out as it came in (P6).
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>

#include "base/check.hpp"

namespace clawql::engine::mcp {

// Borrows all of it: the text, and what stands in the place of its slices.
class Spliced {
 public:
  static constexpr std::size_t kMostEdits = 6;

  Spliced() = default;
  explicit Spliced(std::string_view whole) : text_(whole) {}
  Spliced(std::string_view text, std::string_view slice, std::string_view replacement) : text_(text) {
    replace(slice, replacement);
  }

  // `slice` is a view into the text, apart from those of other edits; an empty one inserts. In any order.
  void replace(std::string_view slice, std::string_view replacement) {
    CLAWQL_CHECK(count_ < kMostEdits);
    const auto offset = static_cast<std::size_t>(slice.data() - text_.data());
    std::size_t at = count_++;
    for (; at > 0 && edits_[at - 1].offset > offset; --at) edits_[at] = edits_[at - 1];
    edits_[at] = {offset, slice.size(), replacement};
  }

  std::size_t size() const {
    std::size_t size = text_.size();
    for (std::size_t i = 0; i < count_; ++i) size += edits_[i].replacement.size() - edits_[i].length;
    return size;
  }
  void append_to(std::string& out) const {
    std::size_t from = 0;
    for (std::size_t i = 0; i < count_; ++i) {
      out.append(text_, from, edits_[i].offset - from);
      out.append(edits_[i].replacement);
      from = edits_[i].offset + edits_[i].length;
    }
    out.append(text_, from);
  }

 private:
  struct Edit {
    std::size_t offset, length;  // of what goes, in the text
    std::string_view replacement;
  };
  std::string_view text_;
  std::array<Edit, kMostEdits> edits_;
  std::size_t count_ = 0;
};

}  // namespace clawql::engine::mcp
