// Any text as an expected state. What is accepted is compared with an empty machine: every entry of this namespace that
// is compared at all is missing once, and nothing throws.
#include "base/check.hpp"
#include "exposure/ports/compare.hpp"
#include "exposure/ports/report.hpp"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  using namespace clawql::exposure::ports;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto expected = parse_expected(text, "p.yaml");
  if (!expected) {
    CLAWQL_CHECK(expected.error().message.starts_with("p.yaml:"));
    return 0;
  }
  for (const ExpectedListener& listener : expected->listeners) {
    CLAWQL_CHECK(is_unix(listener.place.protocol) ? !listener.place.path.empty() : !listener.place.address.empty());
    CLAWQL_CHECK(is_unix(listener.place.protocol) || listener.any_port || listener.place.port != 0);
  }
  for (const Accepted& accepted : expected->accepted) CLAWQL_CHECK(!kind_of(accepted.finding).could_not_tell);
  Survey survey;
  survey.spaces = {""};
  const auto findings = compare(*expected, survey);
  if (expected->listeners.empty() && expected->accepted.empty()) CLAWQL_CHECK(findings.empty());
  CLAWQL_CHECK(!report_sarif(*expected, findings).empty());
  return 0;
}
