#include "engine/mcp/replies.hpp"

#include <fmt/format.h>

#include "json/writer.hpp"

namespace clawql::engine::mcp {

int rpc_code(base::Reason reason) {
  const int code = base::facts(reason).rpc_code;
  return code < 0 ? code : -32603;
}

std::string empty_result(std::string_view raw_id) {
  return fmt::format(R"({{"jsonrpc":"2.0","id":{},"result":{{}}}})", raw_id);
}

std::string initialize_result(std::string_view raw_id, Version version) {
  return fmt::format(
      R"({{"jsonrpc":"2.0","id":{},"result":{{"protocolVersion":"{}","capabilities":{{"logging":{{}},"tools":{{"listChanged":true}}}},)"
      R"("serverInfo":{{"name":"clawql","title":"ClawQL Gateway","version":"{}"}}}}}})",
      raw_id, to_string(version), CLAWQL_VERSION);
}

std::string tools_page(std::string_view raw_id, std::string_view items, std::string_view next_cursor) {
  std::string out;
  out.reserve(items.size() + raw_id.size() + 160);
  out += R"({"jsonrpc":"2.0","id":)";
  out += raw_id;
  out += R"(,"result":{"tools":[)";
  out += items;
  out += ']';
  if (!next_cursor.empty()) {
    out += R"(,"nextCursor":)";
    json::append_string(out, next_cursor);
  }
  out += "}}";
  return out;
}

std::string error_response(std::string_view raw_id, base::Reason reason, std::string_view message) {
  const base::RefusalFacts& fact = base::facts(reason);
  std::string out = R"({"jsonrpc":"2.0",)";
  if (!raw_id.empty()) fmt::format_to(std::back_inserter(out), R"("id":{},)", raw_id);
  fmt::format_to(std::back_inserter(out), R"("error":{{"code":{},"message":{},"data":{{"reason":"{}"}}}}}})",
                 rpc_code(reason), json::quoted(message.empty() ? fact.text : message), fact.label);
  return out;
}

std::string_view tools_list_changed() {
  return R"({"jsonrpc":"2.0","method":"notifications/tools/list_changed"})";
}

}  // namespace clawql::engine::mcp
