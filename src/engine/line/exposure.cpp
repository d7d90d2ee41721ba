#include "engine/line/exposure.hpp"

#include <string>

namespace clawql::engine::line {

void take_exposure(Core& core, const ipc::ExposureMessage& message) {
  core.drifted = message.unready;
  telemetry::Registry& registry = core.metrics.registry;
  const auto present = [&](const std::string& id) -> telemetry::Gauge& {
    return registry.gauge("clawql_exposure_drift", "What is not as declared, by finding.", {{"id", id}});
  };
  // What is gone counts 0 from now on; whatever of it is left is in the list of the present.
  for (const ipc::DriftEvent& event : message.events) {
    if (!event.appeared) present(event.id).set(0);
    core.auditor.exposure(event);
  }
  for (const ipc::DriftCount& one : message.present) present(one.id).set(one.count);
  registry.gauge("clawql_exposure_as_declared", "1: what listens is what was declared, 0: it is not.")
      .set(message.present.empty() ? 1 : 0);
  registry.gauge("clawql_exposure_checked_timestamp_seconds", "When the gateway last looked at itself.")
      .set(static_cast<std::int64_t>(message.checked));
}

}  // namespace clawql::engine::line
