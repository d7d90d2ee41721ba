#include "exposure/ports/report.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "exposure/ports/sarif.hpp"
#include "exposure/ports/text.hpp"
#include "json/writer.hpp"

namespace clawql::exposure::ports {
namespace {

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
  std::vector<SarifRule> rules;
  for (const FindingKind& kind : finding_kinds())
    rules.push_back({std::string(kind.name), kind.severity, std::string(kind.meaning), std::string(kind.remedy)});
  std::vector<SarifResult> results;
  for (const Finding& finding : findings) {
    const FindingKind& kind = kind_of(finding.id);
    results.push_back({std::string(kind.name), kind.severity, finding.text + ". " + std::string(kind.remedy),
                       finding.line, finding.subject});
  }
  return sarif_log("clawql ports", rules, results, expected.file);
}

}  // namespace clawql::exposure::ports
