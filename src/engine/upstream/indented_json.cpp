#include "engine/upstream/indented_json.hpp"

#include <utility>

#include "json/writer.hpp"

namespace clawql::engine::upstream {
namespace {

constexpr std::size_t kStep = 2;
constexpr std::size_t kUsualText = 128;   // bytes
constexpr std::size_t kAroundMember = 9;  // a comma, the line's start, the key's quotes, a colon and a blank
constexpr std::size_t kElementDepth = 2;  // of what stands in an array of the outermost object

void append_line_start(std::string& out, std::size_t depth) {
  out += '\n';
  out.append(depth * kStep, ' ');
}

void append_array(std::string& out, const std::vector<std::string>& elements, std::size_t depth) {
  if (elements.empty()) {
    out += "[]";
    return;
  }
  out += '[';
  for (std::size_t i = 0; i < elements.size(); ++i) {
    if (i > 0) out += ',';
    append_line_start(out, depth + 1);
    out += elements[i];
  }
  append_line_start(out, depth);
  out += ']';
}

}  // namespace

IndentedJson::IndentedJson() {
  text_.reserve(kUsualText);
  text_ += '{';
}

template <class Put>
IndentedJson& IndentedJson::member(std::string_view key, std::size_t size, Put put) {
  const bool is_first = text_.size() == 1;
  base::Appender out(text_, key.size() + size + kAroundMember);
  out.put(is_first ? "\n  " : ",\n  ");
  json::append_string(out, key);
  out.put(": ");
  put(out);
  return *this;
}

IndentedJson& IndentedJson::raw(std::string_view key, std::string_view json) {
  return member(key, json.size(), [json](base::Appender& out) { out.put(json); });
}

IndentedJson& IndentedJson::text(std::string_view key, std::string_view value) {
  return member(key, value.size() + 2, [value](base::Appender& out) { json::append_string(out, value); });
}

IndentedJson& IndentedJson::number(std::string_view key, std::size_t value) {
  return raw(key, std::to_string(value));
}

IndentedJson& IndentedJson::flag(std::string_view key, bool value) {
  return raw(key, value ? "true" : "false");
}

IndentedJson& IndentedJson::array(std::string_view key, const std::vector<std::string>& elements) {
  std::string json;
  append_array(json, elements, 1);
  return raw(key, json);
}

IndentedJson& IndentedJson::texts(std::string_view key, const std::vector<std::string_view>& values) {
  std::vector<std::string> elements;
  elements.reserve(values.size());
  for (const std::string_view value : values) elements.push_back(json::quoted(value));
  return array(key, elements);
}

IndentedJson& IndentedJson::objects(std::string_view key, const std::vector<IndentedJson>& values) {
  std::vector<std::string> elements;
  elements.reserve(values.size());
  for (const IndentedJson& value : values) elements.push_back(value.str(kElementDepth));
  return array(key, elements);
}

// Strings hold no line feed, so each one here begins a line.
std::string IndentedJson::str(std::size_t depth) const& {
  std::string out;
  out.reserve(text_.size() + 2);
  if (depth == 0) {
    out = text_;
  } else {
    for (const char c : text_) {
      if (c == '\n')
        append_line_start(out, depth);
      else
        out += c;
    }
  }
  append_line_start(out, depth);
  out += '}';
  return out;
}

std::string IndentedJson::str() && {
  text_ += "\n}";
  return std::move(text_);
}

}  // namespace clawql::engine::upstream
