#include "engine/upstream/claim.hpp"

#include "json/writer.hpp"

namespace clawql::engine::upstream {
namespace {

bool is_of_claim(json::Value key) {
  return key.equals(kVersionKey) || key.equals(kClientInfoKey) || key.equals(kCapabilitiesKey) ||
         key.equals(kLogLevelKey);
}

// Before the closing brace of `object`.
void add_members(json::Splice& splice, json::Value object, const std::string& members) {
  if (members.empty()) return;
  const std::string_view raw = object.raw();
  splice.insert(raw.data() + raw.size() - 1, (object.size() == 0 ? "" : ",") + members);
}

}  // namespace

Claim::Claim(std::string_view log_level)
    : members_{{kVersionKey, json::quoted(kModernVersion)},
               {kClientInfoKey, R"({"name":"clawql","version":")" CLAWQL_VERSION R"("})"},
               {kCapabilitiesKey, "{}"}} {
  if (!log_level.empty()) members_.emplace_back(kLogLevelKey, json::quoted(log_level));
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

std::string Claim::removed_from(std::string_view request, const json::ParseLimits& limits) {
  const auto document = json::Document::parse(request, limits);
  if (!document) return std::string(request);
  const json::Value meta = document->root().find("params").find("_meta");
  if (!meta.is(json::Kind::object)) return std::string(request);
  std::string kept;
  bool found = false;
  for (const auto& [key, value] : meta.members()) {
    if (is_of_claim(key)) {
      found = true;
      continue;
    }
    kept += kept.empty() ? "" : ",";
    kept.append(key.raw()).append(":").append(value.raw());
  }
  if (!found) return std::string(request);
  json::Splice splice(request);
  splice.replace(meta.raw(), "{" + kept + "}");
  return splice.str();
}

}  // namespace clawql::engine::upstream
