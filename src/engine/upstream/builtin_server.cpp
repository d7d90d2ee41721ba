#include "engine/upstream/builtin_server.hpp"

#include <algorithm>

#include "base/appender.hpp"
#include "base/check.hpp"
#include "engine/upstream/indented_json.hpp"
#include "json/writer.hpp"

namespace clawql::engine::upstream {
namespace {

Item make_tool(std::string_view json) {
  const auto document = json::Document::parse(json, {});
  CLAWQL_CHECK(document.has_value());
  const json::Value name = document->root().find("name");
  return {.key = *name.string(),
          .json = std::string(json),
          .key_offset = static_cast<std::size_t>(name.raw().data() - json.data()),
          .key_length = name.raw().size()};
}

std::shared_ptr<const Offer> make_offer() {
  Offer offer;
  offer.features = {.tools = true, .speaks_handshake_era = true, .speaks_modern = true};
  offer.lists[static_cast<std::size_t>(ListKind::tools)] =
      std::make_shared<const ItemList>(ItemList{make_tool(AuditTool::tool_json()), make_tool(CacheTool::tool_json())});
  return std::make_shared<const Offer>(std::move(offer));
}

// The value that goes upstream in the place of `value`: as it came, or as edited.
std::string_view edited(const OutgoingRequest& request, std::string_view value) {
  for (const auto& [slice, replacement] : request.edits)
    if (slice.data() == value.data() && slice.size() == value.size()) return replacement;
  return value;
}

constexpr std::string_view kBeforeId = R"({"jsonrpc":"2.0","id":)";
constexpr std::size_t kAroundContent = 128;  // bytes of an answer that are not its content

std::string response_text(const Result<std::string>& result) {
  const std::string content =
      result ? std::string() : IndentedJson().flag("ok", false).text("error", result.error().message).str();
  const std::string_view shown = result ? *result : content;
  std::string text;
  {
    base::Appender out(text, kAroundContent + shown.size() + shown.size() / 2);  // every third byte may be escaped
    out.put(kBeforeId);
    out.put(R"(0,"result":{"content":[{"type":"text","text":)");
    json::append_string(out, shown);
    out.put(result ? "}]}}" : R"(}],"isError":true}})");
  }
  return text;
}

}  // namespace

BuiltinServer::BuiltinServer(const audit::Log& log, const base::Clock& clock, const base::Limits& limits)
    : log_(log),
      clock_(clock),
      limits_(limits),
      offer_(make_offer()),
      shared_{.limit = limits.cache_bytes * kSharedCacheFactor} {}

BuiltinServer::~BuiltinServer() = default;

void BuiltinServer::set_limits(const base::Limits& limits) {
  limits_ = limits;
  shared_.limit = limits.cache_bytes * kSharedCacheFactor;
}

Description BuiltinServer::describe() const {
  return {.name = name_,
          .kind = "built-in",
          .state = State::ready,
          .reason = {},
          .last_stderr = {},
          .server_name = "clawql",
          .server_version = CLAWQL_VERSION,
          .protocol_version = {},
          .tools = offer_->list(ListKind::tools).size(),
          .calls_in_flight = 0,
          .calls = calls_,
          .starts = 1,
          .protocol_errors = 0,
          .not_offered = {}};
}

BuiltinServer::Principal& BuiltinServer::principal(const std::string& name) {
  auto found = principals_.find(name);
  if (found == principals_.end()) {
    if (principals_.size() >= kPrincipals)
      principals_.erase(
          std::ranges::min_element(principals_, {}, [](const auto& entry) { return entry.second->last_use; }));
    std::unique_ptr<Principal> made(
        new Principal{AuditTool(log_, clock_, name, limits_.audit_ring),
                      CacheTool({.entries = limits_.cache_entries, .bytes = limits_.cache_bytes}, shared_)});
    found = principals_.emplace(name, std::move(made)).first;
  }
  found->second->last_use = ++uses_;
  return *found->second;
}

Result<std::string> BuiltinServer::run(json::Value params, std::string_view raw_name,
                                       const std::string& principal_name) {
  const bool is_audit = raw_name == R"("audit")";
  CLAWQL_TRY(const auto arguments, ToolArguments::parse(params.find("arguments"),
                                                        is_audit ? AuditTool::arguments() : CacheTool::arguments()));
  Principal& data = principal(principal_name);
  return is_audit ? data.audit.run(arguments) : data.cache.run(arguments);
}

std::optional<CallId> BuiltinServer::call(const OutgoingRequest& request, CallSink& sink) {
  ++calls_;
  // From another shard it comes as text alone.
  std::optional<json::Document> document;
  json::Value params = request.params;
  if (!params) {
    auto parsed = json::Document::parse(request.text, {.bytes = limits_.request_body, .depth = limits_.json_depth});
    if (parsed) document.emplace(std::move(*parsed));
    if (document) params = document->root().find("params");
  }
  const json::Value name = params.find("name");
  const std::string_view raw_name = name ? edited(request, name.raw()) : std::string_view();
  if (raw_name != R"("audit")" && raw_name != R"("cache")") {
    sink.on_failure({base::Reason::tool_unknown, "the built-in server has no such tool"});
    return std::nullopt;
  }
  const Result<std::string> result = run(params, raw_name, request.principal);
  const std::string text = response_text(result);
  sink.on_own_response(text, std::string_view(text).substr(kBeforeId.size(), 1), !result);
  return std::nullopt;
}

}  // namespace clawql::engine::upstream
