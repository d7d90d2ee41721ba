#include "door/preflight.hpp"

#include "door/route.hpp"

namespace clawql::door {
namespace {

constexpr std::string_view kFields =
    "Content-Type, Authorization, Mcp-Session-Id, Last-Event-ID, MCP-Protocol-Version, Mcp-Method, Mcp-Name";
constexpr std::string_view kParamPrefix = "mcp-param-";
constexpr std::size_t kMaxOtherFields = 32;  // beside those Mcp-Param-*

}  // namespace

bool is_preflight(const http::RequestHead& head) {
  return head.method == http::Method::options && head.count("access-control-request-method") > 0 &&
         head.count("origin") > 0;
}

std::optional<std::string_view> param_name(std::string_view field) {
  const bool is_param = field.size() > kParamPrefix.size() &&
                        http::equals_ignoring_case(field.substr(0, kParamPrefix.size()), kParamPrefix);
  return is_param ? std::optional(field.substr(kParamPrefix.size())) : std::nullopt;
}

std::string allowed_fields(const http::RequestHead& head) {
  std::string out(kFields);
  const auto asked = head.field("access-control-request-headers");
  if (!asked || asked->size() > kMaxParamBytes) return out;
  const auto names = http::names_of_list(*asked, kMaxParams + kMaxOtherFields);
  if (!names) return out;
  std::size_t params = 0;
  for (const std::string_view name : *names) {
    if (!param_name(name)) continue;
    if (++params > kMaxParams) return std::string(kFields);
    out.append(", ").append(name);
  }
  return out;
}

}  // namespace clawql::door
