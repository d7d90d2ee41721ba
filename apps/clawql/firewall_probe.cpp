#include "firewall.hpp"

namespace clawql::cli {

Result<std::vector<fw::Finding>> probe(const std::vector<fw::Listener>&, const fw::RuleTexts&) {
  return fail("--probe is not there yet");
}

}  // namespace clawql::cli
