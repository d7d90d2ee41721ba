#include "engine/mcp/modern_result.hpp"

#include <string_view>

namespace clawql::engine::mcp {
namespace {

constexpr std::string_view kComplete = R"("resultType":"complete")";
constexpr std::string_view kUncached = R"("ttlMs":0,"cacheScope":"private")";
constexpr std::string_view kBoth = R"("resultType":"complete","ttlMs":0,"cacheScope":"private")";

void complete_result(Spliced& answer, json::Value result, bool cacheable) {
  const bool lacks_type = !result.find("resultType");
  // One that asks the client for more (input_required) is not complete and is never cached.
  const bool lacks_cache =
      cacheable && !result.find("ttlMs") && (lacks_type || result.find("resultType").equals("complete"));
  if (!lacks_type && !lacks_cache) return;
  const std::string_view members = lacks_type && lacks_cache ? kBoth : lacks_type ? kComplete : kUncached;
  const std::string_view inside = result.raw().substr(1);  // after the brace
  answer.replace(inside.substr(0, 0), members);
  if (result.size() > 0) answer.replace(inside.substr(0, 0), ",");
}

}  // namespace

void make_modern(Spliced& answer, json::Value message, bool cacheable) {
  if (const json::Value result = message.find("result"); result.is(json::Kind::object))
    return complete_result(answer, result, cacheable);
  // -32002 must not be sent any more (basic/index, error codes).
  const json::Value code = message.find("error").find("code");
  if (code.int64() == -32002) answer.replace(code.raw(), "-32602");
}

}  // namespace clawql::engine::mcp
