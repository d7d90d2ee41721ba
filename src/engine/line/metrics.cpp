#include "engine/line/metrics.hpp"

namespace clawql::engine::line {

Metrics::Metrics(telemetry::Registry& registry_in)
    : registry(registry_in),
      sessions(registry.gauge("clawql_sessions", "Open MCP sessions.")),
      in_flight(registry.gauge("clawql_requests_in_flight", "Requests that wait for an answer.")),
      buffered_bytes(registry.gauge("clawql_buffered_bytes", "Bytes of answers that clients have not taken yet.")),
      answers_dropped(registry.counter("clawql_answers_dropped_total", "Answers whose client had gone.")),
      notifications_dropped(registry.counter("clawql_notifications_dropped_total",
                                             "Notifications without a stream, a token or room to go to.")),
      asks(registry.counter("clawql_asks_total", "Requests of servers that were put to their client.")),
      asks_refused(registry.counter("clawql_asks_refused_total", "Requests of servers that no client was asked.")),
      client_answers_dropped(registry.counter("clawql_client_answers_dropped_total",
                                              "Responses and progress of clients for what nobody asks (any more).")),
      calls_over_buffer(registry.counter("clawql_calls_over_buffer_total",
                                         "Answers replaced by an error because the client does not read.")) {
  for (std::size_t i = 0; i < mcp::kMethodCount; ++i)
    requests_[i] = &registry.counter("clawql_mcp_messages_total", "Requests and notifications of clients, by method.",
                                     {{"method", std::string(mcp::name(static_cast<mcp::Method>(i)))}});
  registry.gauge("clawql_build_info", "Always 1; the version is a label.", {{"version", CLAWQL_VERSION}}).set(1);
}

void Metrics::refused(base::Reason reason, std::uint64_t count) {
  telemetry::Counter*& counter = refusals_[static_cast<std::size_t>(reason)];
  if (counter == nullptr)
    counter = &registry.counter("clawql_refusals_total", "Refused requests, by reason.",
                                {{"reason", std::string(base::facts(reason).label)}});
  counter->add(count);
}

std::uint64_t Metrics::refusals(base::Reason reason) const {
  const telemetry::Counter* counter = refusals_[static_cast<std::size_t>(reason)];
  return counter == nullptr ? 0 : counter->value();
}

}  // namespace clawql::engine::line
