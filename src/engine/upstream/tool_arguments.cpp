#include "engine/upstream/tool_arguments.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace clawql::engine::upstream {
namespace {

constexpr std::size_t kShownName = 64;

// Code points of valid UTF-8.
std::size_t characters(std::string_view text) {
  return static_cast<std::size_t>(
      std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
}

}  // namespace

Status ToolArguments::read(json::Value value, const ArgumentSpec& spec, Given& given) {
  given.name = spec.name;
  switch (spec.kind) {
    case ArgumentSpec::Kind::text: {
      auto text = value.string();
      if (!text) return fail(fmt::format("`{}` must be a string", spec.name));
      const std::size_t length = characters(*text);
      if (length < spec.least) return fail(fmt::format("`{}` must not be empty", spec.name));
      if (length > spec.most) return fail(fmt::format("`{}` may have at most {} characters", spec.name, spec.most));
      given.text = std::move(*text);
      return {};
    }
    case ArgumentSpec::Kind::integer: {
      const auto number = value.uint64();
      if (!number || *number < spec.least || *number > spec.most)
        return fail(fmt::format("`{}` must be an integer from {} to {}", spec.name, spec.least, spec.most));
      given.integer = *number;
      return {};
    }
  }
  return fail("unknown kind of argument");
}

Result<ToolArguments> ToolArguments::parse(json::Value value, std::span<const ArgumentSpec> specs) {
  ToolArguments arguments;
  if (!value) return arguments;
  if (!value.is(json::Kind::object)) return fail("`arguments` must be an object");
  arguments.given_.reserve(std::min(value.size(), specs.size()));
  for (const auto& [key, member] : value.members()) {
    const auto spec = std::ranges::find_if(specs, [&](const ArgumentSpec& each) { return key.equals(each.name); });
    if (spec == specs.end()) return fail(fmt::format("unknown argument {}", key.raw().substr(0, kShownName)));
    CLAWQL_CHECKED(read(member, *spec, arguments.given_.emplace_back()));
  }
  return arguments;
}

const ToolArguments::Given* ToolArguments::find(std::string_view name) const {
  const auto found = std::ranges::find(given_, name, &Given::name);
  return found == given_.end() ? nullptr : &*found;
}

std::optional<std::string_view> ToolArguments::text(std::string_view name) const {
  const Given* given = find(name);
  if (given == nullptr) return std::nullopt;
  return given->text;
}

std::optional<std::size_t> ToolArguments::integer(std::string_view name) const {
  const Given* given = find(name);
  if (given == nullptr) return std::nullopt;
  return given->integer;
}

Status ToolArguments::need(std::string_view operation, std::initializer_list<std::string_view> names) const {
  std::string missing;
  for (const std::string_view name : names)
    if (find(name) == nullptr) missing.append(missing.empty() ? "`" : ", `").append(name).append("`");
  if (missing.empty()) return {};
  return fail(fmt::format("operation {} needs {}", operation, missing));
}

}  // namespace clawql::engine::upstream
