// What is counted of a server behind us. The label is the key of its entry, which the operator wrote.
#pragma once

#include <string>

#include "telemetry/metrics.hpp"

namespace clawql::engine::upstream {

struct UpstreamMetrics {
  UpstreamMetrics(telemetry::Registry& registry, const std::string& server)
      : calls(registry.counter("clawql_upstream_calls_total", "Calls sent or meant to be sent to a server",
                               {{"server", server}})),
        failures(registry.counter("clawql_upstream_failures_total", "Calls that ended without an answer of the server",
                                  {{"server", server}})),
        starts(registry.counter("clawql_upstream_starts_total", "Starts and restarts of a server's process",
                                {{"server", server}})),
        protocol_errors(registry.counter("clawql_upstream_protocol_errors_total",
                                         "Lines from a server that were dropped", {{"server", server}})),
        late_answers(registry.counter("clawql_upstream_late_answers_total",
                                      "Answers that came after their call had ended", {{"server", server}})),
        latency(registry.histogram("clawql_upstream_call_seconds", "From a call's arrival to the server's answer",
                                   {{"server", server}})) {}
  telemetry::Counter& calls;
  telemetry::Counter& failures;
  telemetry::Counter& starts;
  telemetry::Counter& protocol_errors;
  telemetry::Counter& late_answers;
  telemetry::Histogram& latency;
};

}  // namespace clawql::engine::upstream
