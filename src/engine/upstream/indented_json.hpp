// The text that a built-in tool answers with: one JSON object, indented by two blanks, as ClawQL's own tools write it
// (reference: tools audit and cache).
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace clawql::engine::upstream {

class IndentedJson {
 public:
  IndentedJson();
  // `json` is a JSON value as text; strings go by text().
  IndentedJson& raw(std::string_view key, std::string_view json);
  IndentedJson& text(std::string_view key, std::string_view value);
  IndentedJson& number(std::string_view key, std::size_t value);
  IndentedJson& flag(std::string_view key, bool value);
  IndentedJson& texts(std::string_view key, const std::vector<std::string_view>& values);
  IndentedJson& objects(std::string_view key, const std::vector<IndentedJson>& values);
  std::string str(std::size_t depth = 0) const&;
  std::string str() &&;

 private:
  // A comma where one is due, the key, and a value that `put(base::Appender&)` writes. `size`: bytes it will have.
  template <class Put>
  IndentedJson& member(std::string_view key, std::size_t size, Put put);
  IndentedJson& array(std::string_view key, const std::vector<std::string>& elements);
  std::string text_;  // the members so far, as they stand in an outermost object
};

}  // namespace clawql::engine::upstream
