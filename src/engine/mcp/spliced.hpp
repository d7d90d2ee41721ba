// A message of which one slice is replaced (an id, a progress token), without a copy: every other byte goes out as it
// came in (P6).
#pragma once

#include <string>
#include <string_view>

namespace clawql::engine::mcp {

struct Spliced {
  std::string_view before, middle, after;

  Spliced() = default;
  explicit Spliced(std::string_view whole) : before(whole) {}
  // `slice` is a view into `text`.
  Spliced(std::string_view text, std::string_view slice, std::string_view replacement)
      : before(text.substr(0, static_cast<std::size_t>(slice.data() - text.data()))),
        middle(replacement),
        after(text.substr(before.size() + slice.size())) {}

  std::size_t size() const { return before.size() + middle.size() + after.size(); }
  void append_to(std::string& out) const {
    out.append(before);
    out.append(middle);
    out.append(after);
  }
};

}  // namespace clawql::engine::mcp
