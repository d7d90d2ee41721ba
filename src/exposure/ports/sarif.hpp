// SARIF 2.1.0, as code-scanning pages read it (OASIS, sarif-schema-2.1.0.json). One log of one run of one tool.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "exposure/ports/findings.hpp"

namespace clawql::exposure::ports {

struct SarifRule {
  std::string id;
  Severity severity = Severity::high;
  std::string meaning, remedy;
};

struct SarifResult {
  std::string rule;
  Severity severity = Severity::high;
  std::string text;
  std::size_t line = 1;     // of the file, from 1
  std::string fingerprint;  // the same for the same finding of another run
};

// `file`: what the findings are placed in. Every result's rule is in `rules`.
std::string sarif_log(std::string_view tool, std::span<const SarifRule> rules, std::span<const SarifResult> results,
                      const std::string& file);

}  // namespace clawql::exposure::ports
