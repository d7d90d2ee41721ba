// The arguments of a built-in tool, checked against what the tool takes: nothing unknown, nothing of another type,
// nothing too long. Errors are sentences for the model that called.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "json/document.hpp"

namespace clawql::engine::upstream {

struct ArgumentSpec {
  enum class Kind : std::uint8_t { text, integer };
  std::string_view name;
  Kind kind;
  std::size_t least, most;  // characters (Unicode code points) of a text, or the value itself
};

class ToolArguments {
 public:
  // `value`: params.arguments, which may be absent.
  static Result<ToolArguments> parse(json::Value value, std::span<const ArgumentSpec> specs);

  std::optional<std::string_view> text(std::string_view name) const;
  std::optional<std::size_t> integer(std::string_view name) const;
  // Fails when one of them is missing: "operation set needs: key, value".
  Status need(std::string_view operation, std::initializer_list<std::string_view> names) const;

 private:
  struct Given {
    std::string_view name;  // of the spec
    std::string text;
    std::size_t integer = 0;
  };
  static Status read(json::Value value, const ArgumentSpec& spec, Given& given);
  const Given* find(std::string_view name) const;
  std::vector<Given> given_;
};

}  // namespace clawql::engine::upstream
