// The problems of one file, collected so that all of them are reported together, in the order of the file.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace clawql::config {

// A place in the file; both count from 1, columns in characters.
struct Mark {
  std::size_t line = 1;
  std::size_t column = 1;
  auto operator<=>(const Mark&) const = default;
};

class Problems {
 public:
  explicit Problems(std::string_view path) : path_(path) {}

  // `text`: what is wrong and what would be right. Never holds a value that may be a secret.
  void add(Mark mark, std::string text);
  bool any() const { return !problems_.empty(); }
  // "file:line:column", for notices too.
  std::string where(Mark mark) const;
  // "file:line:column: text", one a line, in the order of the file.
  std::string text() const;

 private:
  struct Problem {
    Mark mark;
    std::string text;
  };
  std::string path_;
  std::vector<Problem> problems_;  // in the order of the file
};

// `text` as it may stand in a message: quoted, escaped, cut at 64 bytes.
std::string quote(std::string_view text);

}  // namespace clawql::config
