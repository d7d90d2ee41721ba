#include "engine/shards/unit.hpp"

#include <utility>

namespace clawql::engine::shards {
namespace {

mcp::Isolation isolation_of(const ipc::ServerSettings& server) {
  if (server.isolation == "session") return mcp::Isolation::session;
  return server.isolation == "principal" ? mcp::Isolation::principal : mcp::Isolation::shared;
}

}  // namespace

Unit::Unit(const Parts& parts, std::uint8_t number, std::unique_ptr<audit::Log> audit, const base::Limits& limits)
    : parts_(parts),
      audit_(std::move(audit)),
      servers_({parts.loop, parts.launcher, *this, parts.log, parts.registry, audit_.get(), &parts.instances}, number),
      line_({parts.loop, parts.log, *audit_, parts.registry, parts.supervisor, parts.common, &servers_.instances(),
             parts.on_level_changed},
            number, limits),
      exports_(parts.loop, number, [this](std::string_view key) { return servers_.find(key); }),
      imports_(parts.loop, number, line_) {}

Unit::~Unit() = default;

void Unit::connect(const std::vector<std::unique_ptr<Unit>>& units) {
  std::vector<upstream::Imports*> imports;
  std::vector<upstream::Exports*> exports;
  for (const auto& unit : units) {
    imports.push_back(&unit->imports_);
    exports.push_back(&unit->exports_);
  }
  exports_.connect(std::move(imports));
  imports_.connect(std::move(exports));
}

// Servers that are gone stay valid until the next turn: the line lets go of them here.
void Unit::apply(const ipc::EngineSettings& settings) {
  line_.set_limits(settings.limits);
  line_.set_listeners(settings.listeners);
  servers_.apply(settings);
  imports_.apply(settings);

  std::vector<mcp::ServerSlot> slots;
  const auto find = [this](const std::string& key) {
    upstream::Server* const own = servers_.find(key);
    return own != nullptr ? own : imports_.find(key);
  };
  const auto add = [&](const std::string& name, std::uint64_t call_seconds, mcp::Isolation isolation, bool eager) {
    upstream::Server* const server = find(name);
    if (server == nullptr) return;  // the built-in one, where there is no audit
    slots.push_back({.server = server,
                     .modern = find(upstream::modern_key(name)),
                     .call_seconds = call_seconds,
                     .owned = servers_.find(name) != nullptr,
                     .isolation = isolation,
                     .name = name,
                     .eager = eager});
  };
  add("clawql", 0, mcp::Isolation::shared, true);
  for (const ipc::ServerSettings& server : settings.servers)
    add(server.name, server.call_seconds, isolation_of(server), server.eager);
  line_.set_servers(std::move(slots));
  if (started_) start();
}

void Unit::start() {
  started_ = true;
  servers_.start_eager();
  publish_all();
}

void Unit::server_started(std::string_view name, upstream::Pipes pipes) {
  servers_.started(name, std::move(pipes));
  publish_all();
}

void Unit::server_exited(const ipc::ServerExited& exit) {
  servers_.exited(exit);
  publish_all();
}

// What changed without the observer being told, as from ready to starting.
void Unit::publish_all() {
  for (const auto& slot : servers_.slots()) {
    publish(*slot.server);
    if (slot.modern != nullptr) publish(*slot.modern);
  }
}

void Unit::publish(upstream::Server& server) {
  if (const std::string key = servers_.key_of(server); !key.empty()) exports_.publish(key, server);
}

void Unit::on_offer_changed(upstream::Server& server) {
  line_.on_offer_changed(server);
  publish(server);
}

void Unit::on_settled(upstream::Server& server) {
  line_.on_settled(server);
  publish(server);
}

void Unit::on_notification(upstream::Server& server, const json::Document& message) {
  line_.on_notification(server, message);
  if (const std::string key = servers_.key_of(server); !key.empty()) exports_.notify(key, message);
}

void Unit::on_request(upstream::Server& server, const json::Document& message) {
  line_.on_request(server, message);
}

}  // namespace clawql::engine::shards
