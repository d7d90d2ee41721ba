#include "engine/upstream/cache_tool.hpp"

#include <array>
#include <utility>

#include "engine/upstream/indented_json.hpp"

namespace clawql::engine::upstream {
namespace {

using Kind = ArgumentSpec::Kind;
constexpr std::array kArguments{
    ArgumentSpec{"operation", Kind::text, 1, 16},
    ArgumentSpec{"key", Kind::text, 1, 2048},
    ArgumentSpec{"value", Kind::text, 0, CacheTool::kValueBytes},
    ArgumentSpec{"prefix", Kind::text, 0, 2048},
    ArgumentSpec{"query", Kind::text, 1, 512},
    ArgumentSpec{"limit", Kind::integer, 1, 1000},
};

constexpr std::string_view kTool =
    R"({"name":"cache","description":"A small store of texts by key, kept between calls and sessions of this caller and )"
    R"(seen by nobody else. The least recently used entries go when it is full.",)"
    R"("inputSchema":{"type":"object","properties":{)"
    R"("operation":{"type":"string","enum":["set","get","delete","list","search"]},)"
    R"("key":{"type":"string","minLength":1,"maxLength":2048},)"
    R"("value":{"type":"string","maxLength":1048576},)"
    R"("prefix":{"type":"string","maxLength":2048},)"
    R"("query":{"type":"string","minLength":1,"maxLength":512},)"
    R"("limit":{"type":"integer","minimum":1,"maximum":1000}},)"
    R"("required":["operation"],"additionalProperties":false}})";

IndentedJson good(std::string_view operation) {
  return IndentedJson().flag("ok", true).text("operation", operation);
}

std::string keys_found(std::string_view operation, const std::vector<std::string_view>& keys) {
  return good(operation).number("count", keys.size()).texts("keys", keys).str();
}

}  // namespace

std::span<const ArgumentSpec> CacheTool::arguments() {
  return kArguments;
}

std::string_view CacheTool::tool_json() {
  return kTool;
}

Result<std::string> CacheTool::run(const ToolArguments& arguments) {
  CLAWQL_CHECKED(arguments.need("of this tool", {"operation"}));
  struct Operation {
    std::string_view name;
    Result<std::string> (CacheTool::*run)(const ToolArguments&);
  };
  static constexpr std::array<Operation, 5> kOperations{{{"set", &CacheTool::set},
                                                         {"get", &CacheTool::get},
                                                         {"delete", &CacheTool::erase},
                                                         {"list", &CacheTool::list},
                                                         {"search", &CacheTool::search}}};
  for (const Operation& operation : kOperations)
    if (*arguments.text("operation") == operation.name) return (this->*operation.run)(arguments);
  return fail("`operation` must be one of set, get, delete, list, search");
}

Result<std::string> CacheTool::set(const ToolArguments& arguments) {
  CLAWQL_CHECKED(arguments.need("set", {"key", "value"}));
  const std::string_view key = *arguments.text("key");
  const std::string_view value = *arguments.text("value");
  if (value.size() > kValueBytes) return fail("`value` may have at most 1048576 bytes");
  CLAWQL_TRY(const std::size_t evicted, store_.set(key, std::string(value)));
  IndentedJson result = good("set");
  result.text("key", key);
  if (evicted > 0) result.number("evicted", evicted);
  return std::move(result).str();
}

Result<std::string> CacheTool::get(const ToolArguments& arguments) {
  CLAWQL_CHECKED(arguments.need("get", {"key"}));
  const std::string_view key = *arguments.text("key");
  const std::string* value = store_.get(key);
  IndentedJson result;
  result.flag("ok", true).flag("hit", value != nullptr).text("key", key);
  if (value != nullptr) result.text("value", *value);
  return std::move(result).str();
}

Result<std::string> CacheTool::erase(const ToolArguments& arguments) {
  CLAWQL_CHECKED(arguments.need("delete", {"key"}));
  const std::string_view key = *arguments.text("key");
  return good("delete").text("key", key).flag("deleted", store_.erase(key)).str();
}

Result<std::string> CacheTool::list(const ToolArguments& arguments) {
  const std::size_t limit = arguments.integer("limit").value_or(kListLimit);
  return keys_found("list", store_.with_prefix(arguments.text("prefix").value_or(""), limit));
}

Result<std::string> CacheTool::search(const ToolArguments& arguments) {
  CLAWQL_CHECKED(arguments.need("search", {"query"}));
  const std::size_t limit = arguments.integer("limit").value_or(kSearchLimit);
  return keys_found("search", store_.containing(*arguments.text("query"), limit));
}

}  // namespace clawql::engine::upstream
