#include "exposure/own/finding.hpp"

#include <algorithm>
#include <array>

#include "base/check.hpp"
#include "exposure/ports/text.hpp"

namespace clawql::exposure::own {
namespace {

using enum ports::Severity;

constexpr std::array<KindFacts, 11> kKinds{{
    {Kind::listener_missing, "gateway.listener.missing", high,
     "Restart the gateway (a reload opens nothing that it believes to be open), and see who closed it."},
    {Kind::listener_unexpected, "gateway.listener.unexpected", critical,
     "Stop the process that the text names, or take `sandbox.listen` from its server's entry."},
    {Kind::socket_mode, "gateway.socket.mode", high, "chmod it back, and see who changed it."},
    {Kind::socket_group, "gateway.socket.group", high, "chown it back, and see who changed it."},
    {Kind::socket_replaced, "gateway.socket.replaced", critical,
     "Clients do not reach this gateway there: see who removed or replaced the file, then restart the gateway."},
    {Kind::socket_folder, "gateway.socket.folder", high,
     "chmod it back: whoever may write there can put another socket in this one's place."},
    {Kind::audit_incomplete, "gateway.audit.incomplete", high,
     "Give the gateway a readable /proc and a kernel with CONFIG_INET_DIAG and CONFIG_UNIX_DIAG."},
    {Kind::report_unreadable, "exposure.report-unreadable", high,
     "systemctl enable --now clawql-ports-audit.timer, systemctl start clawql-ports-audit.service; or take "
     "`exposure.report` out."},
    {Kind::report_untrusted, "exposure.report-untrusted", high,
     "Remove the file, see who put it there, and run clawql-ports-audit.service again."},
    {Kind::report_broken, "exposure.report-broken", high,
     "Write it with `clawql ports audit --report FILE` of the same version, and with nothing else."},
    {Kind::report_stale, "exposure.report-stale", high,
     "See why clawql-ports-audit.timer does not run (systemctl status clawql-ports-audit.service), or raise "
     "`exposure.maxAge`."},
}};

}  // namespace

std::span<const KindFacts> kinds() {
  return kKinds;
}

Finding make_finding(Kind kind, std::string_view subject, std::string_view text) {
  const auto facts = std::ranges::find(kKinds, kind, &KindFacts::kind);
  CLAWQL_CHECK(facts != kKinds.end());
  return {std::string(facts->id), facts->severity, ports::printable_line(subject), ports::printable_line(text),
          std::string(facts->remedy)};
}

}  // namespace clawql::exposure::own
