// The text that a built-in tool answers with: one JSON object, indented by two blanks, as ClawQL's own tools write it
// (reference: tools audit and cache).
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace clawql::engine::upstream {

class IndentedJson {
 public:
  // `json` is a JSON value as text; strings go by text().
  IndentedJson& raw(std::string_view key, std::string_view json);
  IndentedJson& text(std::string_view key, std::string_view value);
  IndentedJson& number(std::string_view key, std::size_t value);
  IndentedJson& flag(std::string_view key, bool value);
  IndentedJson& texts(std::string_view key, const std::vector<std::string_view>& values);
  IndentedJson& objects(std::string_view key, const std::vector<IndentedJson>& values);
  std::string str(std::size_t depth = 0) const;

 private:
  // A comma where one is due, and the key: its value is appended next.
  std::string& member(std::string_view key);
  IndentedJson& array(std::string_view key, const std::vector<std::string>& elements);
  std::string text_ = "{";  // the members so far, as they stand in an outermost object
};

}  // namespace clawql::engine::upstream
