// What the engine counts. References into the registry, taken once: counting on the way of a call is one add.
#pragma once

#include <array>
#include <memory>
#include <string_view>

#include "base/refusal.hpp"
#include "engine/mcp/message.hpp"
#include "telemetry/metrics.hpp"

namespace clawql::engine::line {

class Metrics {
 public:
  explicit Metrics(telemetry::Registry& registry);

  void request(mcp::Method method) { requests_[static_cast<std::size_t>(method)]->add(); }
  // Series of refusals appear with their first refusal.
  void refused(base::Reason reason, std::uint64_t count = 1);
  std::uint64_t refusals(base::Reason reason) const;

  telemetry::Registry& registry;
  telemetry::Gauge& sessions;
  telemetry::Gauge& in_flight;
  telemetry::Gauge& buffered_bytes;
  telemetry::Counter& answers_dropped;         // of clients that had gone
  telemetry::Counter& notifications_dropped;   // no stream, no room, or no token
  telemetry::Counter& asks;                    // of servers, put to clients
  telemetry::Counter& asks_refused;            // those that no client was asked
  telemetry::Counter& client_answers_dropped;  // for what nobody asked, or asks any more
  telemetry::Counter& calls_over_buffer;       // answers replaced by an error: the client does not read

 private:
  std::array<telemetry::Counter*, mcp::kMethodCount> requests_{};
  std::array<telemetry::Counter*, base::kReasonCount> refusals_{};
};

}  // namespace clawql::engine::line
