#include "engine/mcp/routing_headers.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdint>

namespace clawql::engine::mcp {
namespace {

constexpr std::string_view kOpen = "=?base64?";
constexpr std::string_view kClose = "?=";
constexpr std::size_t kDeepest = 16;       // objects in objects of a schema that is followed
constexpr std::size_t kMostHeaders = 256;  // annotations of one tool

// 0…63, or 64 for what is no base64 character (RFC 4648 section 4).
constexpr std::uint32_t sextet(char c) {
  if (c >= 'A' && c <= 'Z') return static_cast<std::uint32_t>(c - 'A');
  if (c >= 'a' && c <= 'z') return static_cast<std::uint32_t>(c - 'a' + 26);
  if (c >= '0' && c <= '9') return static_cast<std::uint32_t>(c - '0' + 52);
  if (c == '+') return 62;
  return c == '/' ? 63 : 64;
}

// With its padding, and without bits that mean nothing.
std::optional<std::string> decode_base64(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  std::size_t padding = 0;
  while (padding < 2 && text.ends_with('=')) {
    text.remove_suffix(1);
    ++padding;
  }
  std::string out;
  std::uint32_t bits = 0;
  unsigned count = 0;
  for (const char c : text) {
    const std::uint32_t value = sextet(c);
    if (value > 63) return std::nullopt;
    bits = bits << 6U | value;
    count += 6;
    if (count < 8) continue;
    count -= 8;
    out += static_cast<char>(bits >> count & 0xFFU);
  }
  if ((bits & ((1U << count) - 1)) != 0 || padding != (4 - text.size() % 4) % 4) return std::nullopt;
  return out;
}

bool is_utf8(const std::string& text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\' || static_cast<unsigned char>(c) < 0x20)
      quoted += ' ';
    else
      quoted += c;
  }
  quoted += '"';
  return json::Document::parse(quoted, {}).has_value();
}

// The field of params that Mcp-Name repeats; empty: this method has none.
std::string_view named_by(Method method) {
  if (method == Method::tools_call || method == Method::prompts_get) return "name";
  return method == Method::resources_read ? "uri" : std::string_view{};
}

bool is_token(std::string_view text) {
  constexpr std::string_view kOthers = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::ranges::all_of(text, [&](char c) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    return letter || kOthers.find(c) != std::string_view::npos;
  });
}

bool equal_ignoring_case(std::string_view left, std::string_view right) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
  return std::ranges::equal(left, right, {}, lower, lower);
}

struct Field {
  std::string_view name, value;
};
std::vector<Field> fields_of(const RoutingHeaders& headers) {
  std::vector<Field> fields;
  for (const std::string& param : headers.params) {
    const std::string_view text = param;
    const std::size_t colon = text.find(": ");
    if (colon != std::string_view::npos) fields.push_back({text.substr(0, colon), text.substr(colon + 2)});
  }
  return fields;
}

bool equal_numbers(std::string_view left, std::string_view right) {
  const auto read = [](std::string_view text) -> std::optional<double> {
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return value;
  };
  const auto one = read(left);
  const auto other = read(right);
  return one && other && *one == *other;
}

// Compares each annotated argument with its header.
class ParamCheck {
 public:
  explicit ParamCheck(std::vector<Field> fields) : fields_(std::move(fields)) {}

  std::string check(json::Value schema, json::Value arguments, std::size_t depth) {
    if (depth > kDeepest) return {};
    for (const auto& [key, property] : schema.find("properties").members()) {
      const auto name = key.string();
      const json::Value value = name ? arguments.find(*name) : json::Value();
      std::string fault = check_one(property, value);
      if (fault.empty()) fault = check(property, value, depth + 1);
      if (!fault.empty()) return fault;
    }
    return {};
  }

 private:
  std::string check_one(json::Value property, json::Value value) {
    const auto header = property.find("x-mcp-header").string();
    if (!header || !is_token(*header) || ++checked_ > kMostHeaders) return {};
    std::vector<std::string_view> offered;
    for (const Field& field : fields_)
      if (equal_ignoring_case(field.name, *header)) offered.push_back(field.value);
    if (offered.size() > 1) return fmt::format("header Mcp-Param-{} came twice", *header);
    const bool has_value = value && !value.is(json::Kind::null);
    if (!has_value)
      return offered.empty() ? "" : fmt::format("header Mcp-Param-{} has no argument in the body", *header);
    if (offered.empty()) return fmt::format("header Mcp-Param-{} is missing", *header);
    const auto decoded = decode_header(offered.front());
    if (!decoded) return fmt::format("header Mcp-Param-{} is not lawfully encoded", *header);
    return says(*decoded, value) ? "" : fmt::format("header Mcp-Param-{} differs from the body", *header);
  }

  static bool says(const std::string& text, json::Value value) {
    if (value.is(json::Kind::string)) return value.equals(text);
    if (value.is(json::Kind::boolean)) return value.raw() == text;
    return value.is(json::Kind::number) && equal_numbers(text, value.raw());
  }

  std::vector<Field> fields_;
  std::size_t checked_ = 0;
};

}  // namespace

std::optional<std::string> decode_header(std::string_view value) {
  if (!value.starts_with(kOpen) || !value.ends_with(kClose) || value.size() < kOpen.size() + kClose.size())
    return std::string(value);
  value.remove_prefix(kOpen.size());
  value.remove_suffix(kClose.size());
  auto decoded = decode_base64(value);
  if (decoded && !is_utf8(*decoded)) return std::nullopt;
  return decoded;
}

std::string disagreement(const RoutingHeaders& headers, const Message& message) {
  const auto method = json::Document::parse(message.method_raw(), {});
  if (!headers.method) return "header Mcp-Method is missing";
  if (!method || !method->root().equals(*headers.method)) return "header Mcp-Method differs from the body";
  const std::string_view key = named_by(message.method());
  if (key.empty()) return {};
  const json::Value named = message.params().find(key);
  if (!named.is(json::Kind::string)) return {};  // a fault of the body, which is refused as one
  if (!headers.name) return "header Mcp-Name is missing";
  const auto decoded = decode_header(*headers.name);
  if (!decoded) return "header Mcp-Name is not lawfully encoded";
  return named.equals(*decoded) ? "" : "header Mcp-Name differs from the body";
}

std::string disagreement(const RoutingHeaders& headers, std::string_view tool, json::Value arguments) {
  if (tool.find("x-mcp-header") == std::string_view::npos) return {};  // no annotation, or one in escapes: none
  const auto document = json::Document::parse(tool, {.bytes = tool.size()});
  if (!document) return {};
  return ParamCheck(fields_of(headers)).check(document->root().find("inputSchema"), arguments, 0);
}

}  // namespace clawql::engine::mcp
