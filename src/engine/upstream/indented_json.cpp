#include "engine/upstream/indented_json.hpp"

#include "json/writer.hpp"

namespace clawql::engine::upstream {
namespace {

constexpr std::size_t kStep = 2;
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

IndentedJson& IndentedJson::raw(std::string_view key, std::string_view json) {
  members_.push_back({json::quoted(key), std::string(json), {}, false});
  return *this;
}

IndentedJson& IndentedJson::text(std::string_view key, std::string_view value) {
  return raw(key, json::quoted(value));
}

IndentedJson& IndentedJson::number(std::string_view key, std::size_t value) {
  return raw(key, std::to_string(value));
}

IndentedJson& IndentedJson::flag(std::string_view key, bool value) {
  return raw(key, value ? "true" : "false");
}

IndentedJson& IndentedJson::texts(std::string_view key, const std::vector<std::string_view>& values) {
  Member member{json::quoted(key), {}, {}, true};
  for (const std::string_view value : values) member.elements.push_back(json::quoted(value));
  members_.push_back(std::move(member));
  return *this;
}

IndentedJson& IndentedJson::objects(std::string_view key, const std::vector<IndentedJson>& values) {
  Member member{json::quoted(key), {}, {}, true};
  for (const IndentedJson& value : values) member.elements.push_back(value.str(kElementDepth));
  members_.push_back(std::move(member));
  return *this;
}

std::string IndentedJson::str(std::size_t depth) const {
  std::string out = "{";
  for (std::size_t i = 0; i < members_.size(); ++i) {
    const Member& member = members_[i];
    if (i > 0) out += ',';
    append_line_start(out, depth + 1);
    out.append(member.key).append(": ");
    if (member.is_array)
      append_array(out, member.elements, depth + 1);
    else
      out += member.json;
  }
  append_line_start(out, depth);
  out += '}';
  return out;
}

}  // namespace clawql::engine::upstream
