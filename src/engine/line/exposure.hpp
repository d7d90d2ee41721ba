// What the supervisor found when it looked at the gateway itself: an event in the audit log for each change, metrics,
// and the word for /readyz. Of the first shard alone.
#pragma once

#include "engine/line/core.hpp"
#include "ipc/settings.hpp"

namespace clawql::engine::line {

void take_exposure(Core& core, const ipc::ExposureMessage& message);

}  // namespace clawql::engine::line
