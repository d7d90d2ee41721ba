#include "supervisor/child_settings.hpp"

namespace clawql::supervisor {

ipc::DoorSettings door_settings(const config::Config& config, std::uint64_t generation,
                                std::vector<ipc::ListenerSettings> listeners) {
  ipc::DoorSettings settings;
  settings.generation = generation;
  settings.allowed_hosts = config.allowed_hosts;
  settings.allowed_origins = config.allowed_origins;
  settings.config_path = config.path;
  settings.threads = config.threads.door;
  settings.engine_shards = config.threads.engine;
  settings.listeners = std::move(listeners);
  settings.limits = config.limits;
  return settings;
}

ipc::EngineSettings engine_settings(const config::Config& config, std::uint64_t generation,
                                    std::vector<ipc::ListenerSettings> listeners) {
  ipc::EngineSettings settings;
  settings.generation = generation;
  settings.shards = config.threads.engine;
  settings.door_loops = config.threads.door;
  for (const config::Server& server : config.servers) {
    if (server.disabled) continue;
    settings.servers.push_back({server.name, server.prefix, server.tools, server.eager, server.call_seconds,
                                server.fingerprint, std::string(config::name(server.isolation)), server.max_instances,
                                server.instance_idle_seconds});
  }
  settings.listeners = std::move(listeners);
  settings.audit = {config.audit.path, config.audit.strict, config.audit.file_bytes};
  settings.limits = config.limits;
  return settings;
}

}  // namespace clawql::supervisor
