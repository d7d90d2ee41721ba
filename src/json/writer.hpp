// Writing JSON: strings escaped, and messages edited by replacing slices while every other byte stays as it came
// (promise P6).
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/appender.hpp"

namespace clawql::json {

// Appends `text` as a JSON string with quotes. `text` must be valid UTF-8 (bytes that are not are replaced by U+FFFD).
void append_string(std::string& out, std::string_view text);
void append_string(base::Appender& out, std::string_view text);
std::string quoted(std::string_view text);

// Edits of one text: `slice` must be a view into the text, slices must not overlap.
class Splice {
 public:
  explicit Splice(std::string_view text) : text_(text) {}
  void replace(std::string_view slice, std::string replacement);
  // Inserts before the byte at which `position` begins (an empty slice).
  void insert(const char* position, std::string text);
  void append_to(std::string& out) const;
  std::string str() const;

 private:
  std::string_view text_;
  std::vector<std::pair<std::string_view, std::string>> edits_;  // sorted by position
};

}  // namespace clawql::json
