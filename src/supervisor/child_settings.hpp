// What door and engine are told of the configuration: neither a command nor a secret.
#pragma once

#include <cstdint>
#include <vector>

#include "config/config.hpp"
#include "ipc/settings.hpp"

namespace clawql::supervisor {

ipc::DoorSettings door_settings(const config::Config& config, std::uint64_t generation,
                                std::vector<ipc::ListenerSettings> listeners);
// Disabled servers do not exist for the engine.
ipc::EngineSettings engine_settings(const config::Config& config, std::uint64_t generation,
                                    std::vector<ipc::ListenerSettings> listeners);

}  // namespace clawql::supervisor
