// What a running gateway can find about itself: one table of stable ids, each with its severity and remedy. A finding
// of the host's audit (report.hpp) keeps the id that it has there.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "exposure/ports/findings.hpp"

namespace clawql::exposure::own {

enum class Kind : std::uint8_t {
  listener_missing,
  listener_unexpected,
  socket_mode,
  socket_group,
  socket_replaced,
  socket_folder,
  audit_incomplete,
  report_unreadable,
  report_untrusted,
  report_broken,
  report_stale,
};

struct KindFacts {
  Kind kind;
  std::string_view id;  // stable: "gateway.listener.unexpected"
  ports::Severity severity;
  std::string_view remedy;
};
std::span<const KindFacts> kinds();

// All texts are printable ASCII: names of processes and what stands in a report come from outside.
struct Finding {
  std::string id;
  ports::Severity severity = ports::Severity::high;
  std::string subject;  // what it is about, stable from look to look: "tcp 127.0.0.1:8080"
  std::string text;     // what was seen
  std::string remedy;
  bool same_as(const Finding& other) const { return id == other.id && subject == other.subject; }
};
Finding make_finding(Kind kind, std::string_view subject, std::string_view text);

}  // namespace clawql::exposure::own
