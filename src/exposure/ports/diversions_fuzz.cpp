// Any text as what nft, iptables-save, tailscaled or the tracepoint say.
#include "base/check.hpp"
#include "exposure/ports/diversions.hpp"
#include "exposure/ports/processes.hpp"
#include "exposure/ports/trace.hpp"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  using namespace clawql::exposure::ports;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto nft = diversions_of_nft(text);
  if (!nft) CLAWQL_CHECK(!nft.error().message.empty());
  const auto saved = diversions_of_iptables(text, "iptables");
  if (saved)
    for (const Finding& finding : saved->findings)
      for (const char c : finding.subject) CLAWQL_CHECK(c >= ' ' && c <= '~');
  static_cast<void>(served_by_tailscale(text));
  if (const auto event = parse_trace_line(text)) CLAWQL_CHECK(event->name.find('\x1b') == std::string::npos);
  static_cast<void>(start_time_of(text));
  static_cast<void>(cgroup_of(text));
  static_cast<void>(mounted_spaces(text));
  static_cast<void>(hides_processes(text, "/proc"));
  return 0;
}
