// parse_report on any bytes: it never crashes, and what it takes keeps its limits.
#include "base/check.hpp"
#include "exposure/own/report.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto report = clawql::exposure::own::parse_report(text);
  if (!report) return 0;
  CLAWQL_CHECK(report->findings.size() <= clawql::exposure::own::kMaxReportFindings);
  for (const auto& finding : report->findings)
    for (const char c : finding.text) CLAWQL_CHECK(c >= ' ' && c <= '~');
  return 0;
}
