// Any bytes as iptables rules: they are read and evaluated, or refused, within the limits; and what gets through is
// never more than everything.
#include <cstdint>
#include <memory>
#include <string>

#include "base/check.hpp"
#include "exposure/firewall/verify.hpp"

namespace fw = clawql::exposure::firewall;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fw::Listener listener;
  CLAWQL_CHECK(fw::set_address(listener, "10.0.0.1").has_value());
  listener.port = 8080;
  listener.sources_declared = true;
  fw::RuleTexts texts;
  const std::string text(reinterpret_cast<const char*>(data), size);
  texts.saves.push_back({text, "iptables", fw::Family::ipv4});
  const auto proof = fw::verify({listener}, texts, {});
  if (!proof) {
    CLAWQL_CHECK(!proof.error().message.empty());
    return 0;
  }
  for (const auto& one : proof->listeners)
    for (const auto& reach : one.reaches)
      for (const auto& flow : reach.flows) CLAWQL_CHECK(!flow.box.empty());
  return 0;
}
