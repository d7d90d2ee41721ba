#include "engine/upstream/claim.hpp"

#include "json/writer.hpp"

namespace clawql::engine::upstream {
namespace {

// Before the closing brace of `object`.
void add_members(json::Splice& splice, json::Value object, const std::string& members) {
  if (members.empty()) return;
  const std::string_view raw = object.raw();
  splice.insert(raw.data() + raw.size() - 1, (object.size() == 0 ? "" : ",") + members);
}

}  // namespace

Claim::Claim(std::string_view log_level)
    : members_{{"io.modelcontextprotocol/protocolVersion", json::quoted(kModernVersion)},
               {"io.modelcontextprotocol/clientInfo", R"({"name":"clawql","version":")" CLAWQL_VERSION R"("})"},
               {"io.modelcontextprotocol/clientCapabilities", "{}"}} {
  if (!log_level.empty()) members_.emplace_back("io.modelcontextprotocol/logLevel", json::quoted(log_level));
}

std::string Claim::members_missing_in(json::Value meta) const {
  std::string text;
  for (const auto& [key, value] : members_) {
    if (meta.find(key)) continue;
    text += text.empty() ? "\"" : ",\"";
    text.append(key).append("\":").append(value);
  }
  return text;
}

std::string Claim::meta() const {
  return "{" + members_missing_in({}) + "}";
}

std::string Claim::added_to(std::string_view request, const json::ParseLimits& limits) const {
  const auto document = json::Document::parse(request, limits);
  if (!document || !document->root().is(json::Kind::object)) return std::string(request);
  const json::Value params = document->root().find("params");
  const json::Value meta = params.find("_meta");
  json::Splice splice(request);
  if (!params)
    add_members(splice, document->root(), R"("params":{"_meta":)" + this->meta() + "}");
  else if (!meta && params.is(json::Kind::object))
    add_members(splice, params, R"("_meta":)" + this->meta());
  else if (meta.is(json::Kind::object))
    add_members(splice, meta, members_missing_in(meta));
  return splice.str();
}

}  // namespace clawql::engine::upstream
