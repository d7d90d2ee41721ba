// The last lines that a server wrote to stderr, for `clawql status` and for the moment when it fails. Everything is
// read, always (a full pipe would stop the server); what is kept is bounded, and escaped so that it can be printed on
// a terminal.
#pragma once

#include <cstddef>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

namespace clawql::engine::upstream {

class StderrTail {
 public:
  static constexpr std::size_t kLines = 64;
  static constexpr std::size_t kLineBytes = 512;  // the rest of a longer line is dropped

  // Returns the lines that were completed by these bytes, in order, at most kLines of them, as they came: whoever
  // prints them escapes.
  std::vector<std::string> feed(std::string_view bytes);
  // The newest `count`, newest last.
  std::vector<std::string> last(std::size_t count) const;

 private:
  std::string current_;
  std::deque<std::string> lines_;
};

}  // namespace clawql::engine::upstream
