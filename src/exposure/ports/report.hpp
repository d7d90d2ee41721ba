// The findings as a person, a script or a code-scanning page reads them.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "exposure/ports/expected.hpp"

namespace clawql::exposure::ports {

// A few lines: what was looked at, then each finding with its remedy. Text from the machine is escaped.
std::string report_text(const Survey& survey, std::span<const Finding> findings);
std::string report_json(const ExpectedState& expected, const Survey& survey, std::span<const Finding> findings);
// SARIF 2.1.0: ruleId is the finding's id, the location is the expected-state file.
std::string report_sarif(const ExpectedState& expected, std::span<const Finding> findings);

// For a running gateway (own/report.hpp reads it): no listeners, and at most 500 findings, the others counted.
std::string report_file(const std::string& expected_file, std::span<const Finding> findings,
                        std::int64_t written_seconds);

std::string finding_json(const Finding& finding);

}  // namespace clawql::exposure::ports
