#include "exposure/ports/report.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "exposure/ports/text.hpp"
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

std::string owner_json(const Owner& owner) {
  return fmt::format("{{\"pid\":{},\"name\":{},\"executable\":{},\"cgroup\":{},\"container\":{},\"startTime\":{}}}",
                     owner.pid, json::quoted(owner.name), json::quoted(owner.executable), json::quoted(owner.cgroup),
                     json::quoted(owner.container), owner.start_time);
}

std::string listener_json(const Listener& listener) {
  const Place& place = listener.place;
  std::string out = fmt::format("{{\"place\":{},\"namespace\":{},\"protocol\":\"{}\"", json::quoted(place.text()),
                                json::quoted(place.space), name_of(place.protocol));
  if (is_unix(place.protocol)) {
    out += ",\"path\":" + json::quoted(place.path);
    if (listener.file && listener.file->same)
      out += fmt::format(",\"mode\":\"{:04o}\",\"fileUid\":{},\"fileGid\":{}", listener.file->mode,
                         listener.file->owner, listener.file->group);
  } else {
    out += fmt::format(",\"address\":{},\"port\":{}", json::quoted(place.address), place.port);
    if (place.address == "::") out += fmt::format(",\"v6only\":{}", place.v6only);
    if (!place.device.empty()) out += ",\"device\":" + json::quoted(place.device);
  }
  out += fmt::format(",\"uid\":{},\"inode\":{},\"cookie\":{},\"cgroupId\":{},\"owners\":[", listener.uid,
                     listener.inode, listener.cookie, listener.cgroup_id);
  for (std::size_t i = 0; i < listener.owners.size(); ++i) out += (i == 0 ? "" : ",") + owner_json(listener.owners[i]);
  return out + "]}";
}

std::string rule_json(const FindingKind& kind) {
  return fmt::format(
      "{{\"id\":\"{}\",\"shortDescription\":{{\"text\":{}}},\"help\":{{\"text\":{}}},"
      "\"defaultConfiguration\":{{\"level\":\"{}\"}},\"properties\":{{\"security-severity\":\"{}\",\"tags\":["
      "\"security\"]}}}}",
      kind.name, json::quoted(kind.meaning), json::quoted(kind.remedy), sarif_level(kind.severity),
      sarif_score(kind.severity));
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

}  // namespace

std::string finding_json(const Finding& finding) {
  const FindingKind& kind = kind_of(finding.id);
  return fmt::format("{{\"id\":\"{}\",\"severity\":\"{}\",\"subject\":{},\"text\":{},\"remedy\":{},\"line\":{}}}",
                     kind.name, name_of(kind.severity), json::quoted(finding.subject), json::quoted(finding.text),
                     json::quoted(kind.remedy), finding.line);
}

std::string report_text(const Survey& survey, std::span<const Finding> findings) {
  std::string out = fmt::format("{} listeners, {} network namespaces, {} processes: ", survey.listeners.size(),
                                survey.spaces.size(), survey.processes);
  switch (exit_status(findings)) {
    case 0: out += "as declared\n"; break;
    case 1: out += "not as declared\n"; break;
    default: out += "could not tell everything\n"; break;
  }
  for (const Finding& finding : findings) {
    const FindingKind& kind = kind_of(finding.id);
    out += fmt::format("  {}  {}: {}\n      {} {}\n", name_of(kind.severity), kind.name, printable_line(finding.text),
                       kind.meaning, kind.remedy);
  }
  return out;
}

std::string report_json(const ExpectedState& expected, const Survey& survey, std::span<const Finding> findings) {
  std::string out = fmt::format("{{\"expected\":{},\"exit\":{},\"processes\":{},\"namespaces\":[",
                                json::quoted(expected.file), exit_status(findings), survey.processes);
  for (std::size_t i = 0; i < survey.spaces.size(); ++i) out += (i == 0 ? "" : ",") + json::quoted(survey.spaces[i]);
  out += "],\"findings\":[";
  for (std::size_t i = 0; i < findings.size(); ++i) out += (i == 0 ? "" : ",") + finding_json(findings[i]);
  out += "],\"listeners\":[";
  for (std::size_t i = 0; i < survey.listeners.size(); ++i)
    out += (i == 0 ? "" : ",") + listener_json(survey.listeners[i]);
  return out + "]}\n";
}

std::string report_file(const std::string& expected_file, std::span<const Finding> findings,
                        std::int64_t written_seconds) {
  constexpr std::size_t kMostFindings = 500;
  constexpr std::size_t kMostText = 1000;
  const std::size_t written = std::min(findings.size(), kMostFindings);
  std::string out = fmt::format(
      "{{\"version\":1,\"written\":{},\"expected\":{},\"exit\":{},\"omitted\":{},\"findings\":[", written_seconds,
      json::quoted(printable_bytes(expected_file)), exit_status(findings), findings.size() - written);
  for (std::size_t i = 0; i < written; ++i) {
    Finding shown = findings[i];
    shown.subject = printable_line(shown.subject).substr(0, kMostText);
    shown.text = printable_line(shown.text).substr(0, kMostText);
    out += (i == 0 ? "" : ",") + finding_json(shown);
  }
  return out + "]}\n";
}

std::string report_sarif(const ExpectedState& expected, std::span<const Finding> findings) {
  std::string out =
      "{\"$schema\":\"https://json.schemastore.org/"
      "sarif-2.1.0.json\",\"version\":\"2.1.0\",\"runs\":[{\"tool\":{\"driver\":{"
      "\"name\":\"clawql ports\",\"rules\":[";
  for (const FindingKind& kind : finding_kinds()) out += (out.ends_with('[') ? "" : ",") + rule_json(kind);
  out += "]}},\"results\":[";
  for (std::size_t i = 0; i < findings.size(); ++i) {
    const Finding& finding = findings[i];
    const FindingKind& kind = kind_of(finding.id);
    out += fmt::format(
        "{}{{\"ruleId\":\"{}\",\"level\":\"{}\",\"message\":{{\"text\":{}}},\"locations\":[{{\"physicalLocation\":{{"
        "\"artifactLocation\":{{\"uri\":{}}},\"region\":{{\"startLine\":{}}}}}}}],"
        "\"partialFingerprints\":{{\"subject/v1\":{}}}}}",
        i == 0 ? "" : ",", kind.name, sarif_level(kind.severity),
        json::quoted(finding.text + ". " + std::string(kind.remedy)), json::quoted(uri_of(expected.file)), finding.line,
        json::quoted(finding.subject));
  }
  return out + "]}]}\n";
}

}  // namespace clawql::exposure::ports
