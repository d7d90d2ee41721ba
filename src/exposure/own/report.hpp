// The report of the host's audit, which needs root and is written by a root timer (`clawql ports audit --report FILE`,
// deploy/systemd). The gateway reads it and nothing else of that audit, so it is parsed like any other foreign byte:
// strictly, with limits, and only when nobody but root or the gateway's own user can have written it.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "exposure/own/finding.hpp"

namespace clawql::exposure::own {

inline constexpr std::size_t kMaxReportBytes = 1U << 20;
inline constexpr std::size_t kMaxReportFindings = 500;

struct Report {
  std::int64_t written = 0;  // seconds since 1970
  int exit = 0;              // of the audit: 0 as declared, 1 drift, 2 could not tell
  std::vector<Finding> findings;
};

// An error names what is not as it must be.
Result<Report> parse_report(std::string_view text);

struct ReportRule {
  std::string path;
  uid_t gateway = 0;  // may own it, besides root
  std::int64_t max_age_seconds = 0;
  // Subjects of the gateway's own listeners. That one of them was missing when the report was written is older news
  // than the gateway's own look, so it is not counted.
  std::vector<std::string> own;
};
// Everything about the report that is drift: that it cannot be trusted, or what it found. "info" alone is none.
std::vector<Finding> read_report(const ReportRule& rule, std::int64_t now_seconds);

}  // namespace clawql::exposure::own
