#include "engine/mcp/replies.hpp"

#include <fmt/format.h>

#include "json/writer.hpp"

namespace clawql::engine::mcp {
namespace {

constexpr std::string_view kServerInfo =
    R"({"name":"clawql","title":"ClawQL Gateway","version":")" CLAWQL_VERSION R"("})";

// A server may start, or be reloaded, at any time: so these are declared whether one has them now or not.
constexpr std::string_view kCapabilities = R"("completions":{},"logging":{},"prompts":{"listChanged":true},)"
                                           R"("resources":{"listChanged":true,"subscribe":true},)"
                                           R"("tools":{"listChanged":true})";
// Whose a task is is known here, so all that there are can be listed; cancelling is for the servers to do.
constexpr std::string_view kTasks = R"("tasks":{"list":{},"requests":{"tools":{"call":{}}}},)";
constexpr std::string_view kCancelledTasks = R"("tasks":{"cancel":{},"list":{},"requests":{"tools":{"call":{}}}},)";

std::string_view tasks_member(const upstream::Features& features) {
  if (!features.tasks) return {};
  return features.cancels_tasks ? kCancelledTasks : kTasks;
}

void append_cache(std::string& out, const upstream::Freshness& freshness) {
  fmt::format_to(std::back_inserter(out), R"(,"ttlMs":{},"cacheScope":"{}")", freshness.ttl_ms,
                 freshness.is_public ? "public" : "private");
}

void append_modern(std::string& out) {
  fmt::format_to(std::back_inserter(out),
                 R"(,"resultType":"complete","_meta":{{"io.modelcontextprotocol/serverInfo":{}}})", kServerInfo);
}

std::string subscription_meta(std::string_view listen_id) {
  return fmt::format(R"({{"io.modelcontextprotocol/subscriptionId":{}}})", listen_id);
}

}  // namespace

int rpc_code(base::Reason reason, bool modern) {
  if (modern && reason == base::Reason::resource_unknown) return -32602;
  const int code = base::facts(reason).rpc_code;
  return code < 0 ? code : -32603;
}

std::string empty_result(std::string_view raw_id) {
  return fmt::format(R"({{"jsonrpc":"2.0","id":{},"result":{{}}}})", raw_id);
}

std::string initialize_result(std::string_view raw_id, Version version, const upstream::Features& features) {
  return fmt::format(
      R"({{"jsonrpc":"2.0","id":{},"result":{{"protocolVersion":"{}","capabilities":{{{}{}}},"serverInfo":{}}}}})",
      raw_id, to_string(version), tasks_member(features), kCapabilities, kServerInfo);
}

std::string discover_result(std::string_view raw_id) {
  std::string out =
      fmt::format(R"({{"jsonrpc":"2.0","id":{},"result":{{"supportedVersions":["{}"],"capabilities":{{{}}})", raw_id,
                  to_string(Version::v2026_07_28), kCapabilities);
  append_cache(out, {});
  append_modern(out);
  out += "}}";
  return out;
}

std::string list_result(std::string_view raw_id, const ListPage& page, bool modern) {
  std::string out;
  out.reserve(page.items.size() + raw_id.size() + 320);
  fmt::format_to(std::back_inserter(out), R"({{"jsonrpc":"2.0","id":{},"result":{{"{}":[)", raw_id,
                 words(page.kind).member);
  out += page.items;
  out += ']';
  if (!page.next_cursor.empty()) {
    out += R"(,"nextCursor":)";
    json::append_string(out, page.next_cursor);
  }
  if (modern) {
    append_cache(out, page.freshness);
    append_modern(out);
  }
  out += "}}";
  return out;
}

std::string error_response(std::string_view raw_id, base::Reason reason, std::string_view message, bool modern,
                           std::string_view data) {
  const base::RefusalFacts& fact = base::facts(reason);
  std::string out = R"({"jsonrpc":"2.0",)";
  if (!raw_id.empty()) fmt::format_to(std::back_inserter(out), R"("id":{},)", raw_id);
  fmt::format_to(std::back_inserter(out), R"("error":{{"code":{},"message":{},"data":{{"reason":"{}"{}{}}}}}}})",
                 rpc_code(reason, modern), json::quoted(message.empty() ? fact.text : message), fact.label,
                 data.empty() ? "" : ",", data);
  return out;
}

std::string list_changed(ListKind kind, std::string_view listen_id) {
  if (listen_id.empty()) return fmt::format(R"({{"jsonrpc":"2.0","method":"{}"}})", words(kind).changed);
  return fmt::format(R"({{"jsonrpc":"2.0","method":"{}","params":{{"_meta":{}}}}})", words(kind).changed,
                     subscription_meta(listen_id));
}

std::string resource_updated(std::string_view uri, std::string_view listen_id) {
  std::string out = fmt::format(R"({{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{{"uri":{})",
                                json::quoted(uri));
  if (!listen_id.empty()) out += R"(,"_meta":)" + subscription_meta(listen_id);
  return out + "}}";
}

std::string listen_acknowledged(std::string_view listen_id, std::string_view granted) {
  return fmt::format(
      R"({{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{{"notifications":{{{}}},"_meta":{}}}}})",
      granted, subscription_meta(listen_id));
}

std::string listen_result(std::string_view listen_id) {
  return fmt::format(R"({{"jsonrpc":"2.0","id":{},"result":{{"resultType":"complete","_meta":{}}}}})", listen_id,
                     subscription_meta(listen_id));
}

}  // namespace clawql::engine::mcp
