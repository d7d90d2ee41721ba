#include "exposure/ports/sarif.hpp"

#include <fmt/format.h>

#include "json/writer.hpp"

namespace clawql::exposure::ports {
namespace {

std::string_view sarif_level(Severity severity) {
  switch (severity) {
    case Severity::info:
    case Severity::low: return "note";
    case Severity::medium: return "warning";
    case Severity::high:
    case Severity::critical: return "error";
  }
  return "error";
}

// GitHub's scale, 0.0 to 10.0.
std::string_view sarif_score(Severity severity) {
  switch (severity) {
    case Severity::info: return "0.0";
    case Severity::low: return "2.0";
    case Severity::medium: return "5.0";
    case Severity::high: return "8.0";
    case Severity::critical: return "9.5";
  }
  return "8.0";
}

std::string rule_json(const SarifRule& rule) {
  return fmt::format(
      "{{\"id\":{},\"shortDescription\":{{\"text\":{}}},\"help\":{{\"text\":{}}},"
      "\"defaultConfiguration\":{{\"level\":\"{}\"}},\"properties\":{{\"security-severity\":\"{}\",\"tags\":["
      "\"security\"]}}}}",
      json::quoted(rule.id), json::quoted(rule.meaning), json::quoted(rule.remedy), sarif_level(rule.severity),
      sarif_score(rule.severity));
}

std::string uri_of(const std::string& path) {
  std::string out;
  for (const char c : path) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '/' ||
                       c == '.' || c == '-' || c == '_' || c == '~';
    if (plain)
      out += c;
    else
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return out.starts_with('/') ? "file://" + out : out;
}

std::string result_json(const SarifResult& result, const std::string& uri) {
  return fmt::format(
      "{{\"ruleId\":{},\"level\":\"{}\",\"message\":{{\"text\":{}}},\"locations\":[{{\"physicalLocation\":{{"
      "\"artifactLocation\":{{\"uri\":{}}},\"region\":{{\"startLine\":{}}}}}}}],"
      "\"partialFingerprints\":{{\"subject/v1\":{}}}}}",
      json::quoted(result.rule), sarif_level(result.severity), json::quoted(result.text), json::quoted(uri),
      result.line, json::quoted(result.fingerprint));
}

}  // namespace

std::string sarif_log(std::string_view tool, std::span<const SarifRule> rules, std::span<const SarifResult> results,
                      const std::string& file) {
  std::string out = fmt::format(
      "{{\"$schema\":\"https://json.schemastore.org/sarif-2.1.0.json\",\"version\":\"2.1.0\",\"runs\":[{{"
      "\"tool\":{{\"driver\":{{\"name\":{},\"rules\":[",
      json::quoted(tool));
  for (const SarifRule& rule : rules) out += (out.ends_with('[') ? "" : ",") + rule_json(rule);
  out += "]}},\"results\":[";
  const std::string uri = uri_of(file);
  for (const SarifResult& result : results) out += (out.ends_with('[') ? "" : ",") + result_json(result, uri);
  return out + "]}]}\n";
}

}  // namespace clawql::exposure::ports
