#include "engine/upstream/imports.hpp"

#include <utility>

#include "engine/upstream/exports.hpp"
#include "engine/upstream/servers.hpp"

namespace clawql::engine::upstream {

Imports::Imports(io::Loop& loop, std::uint32_t shard, Server::Observer& observer)
    : loop_(loop), shard_(shard), observer_(observer) {}

Imports::~Imports() = default;

void Imports::connect(std::vector<Exports*> shards) {
  shards_ = std::move(shards);
  outgoing_.resize(shards_.size());
}

void Imports::post_to(std::uint32_t owner, io::Task task) {
  outgoing_[owner].push_back(std::move(task));
  loop_.at_turn_end(*this);
}

void Imports::on_turn_end() {
  for (std::size_t owner = 0; owner < shards_.size(); ++owner) {
    if (outgoing_[owner].empty()) continue;
    shards_[owner]->loop().post([tasks = std::exchange(outgoing_[owner], {})]() mutable {
      for (io::Task& task : tasks) task();
    });
  }
}

void Imports::apply(const ipc::EngineSettings& settings) {
  auto before = std::exchange(servers_, {});
  const auto take = [&](const ipc::ServerSettings& server, const std::string& key, std::uint32_t owner) {
    if (owner == shard_) return;
    if (const auto kept = before.find(key); kept != before.end()) {
      kept->second->change(server);
      servers_.insert(before.extract(kept));
      return;
    }
    servers_.emplace(key, std::make_unique<RemoteServer>(*this, observer_, owner, server, key));
    Exports& from = *shards_[owner];
    post_to(owner, [&from, key, shard = shard_] { from.report(key, shard); });
  };
  take({.name = "clawql", .prefix = "clawql__", .eager = false}, "clawql", 0);
  for (const ipc::ServerSettings& server : settings.servers) {
    const std::uint32_t owner = shard_of(server.name, settings.shards);
    ipc::ServerSettings on_demand = server;
    on_demand.eager = false;
    take(server.isolation == "shared" ? server : on_demand, server.name, owner);
    take(on_demand, modern_key(server.name), owner);
  }
  for (auto& [name, gone] : before) loop_.post([kept = std::move(gone)] {});
}

Server* Imports::find(std::string_view key) const {
  const auto found = servers_.find(key);
  return found == servers_.end() ? nullptr : found->second.get();
}

// ---- calls that go

CallId Imports::call(const RemoteServer& server, const OutgoingRequest& request, CallSink& sink) {
  const CallId call = ++last_call_;
  calls_.emplace(call, &sink);
  Exports& to = *shards_[server.owner()];
  post_to(server.owner(), [&to, id = RemoteId{shard_, call}, key = server.key(), moved = MovedRequest(request)] {
    to.call(id, key, moved);
  });
  return call;
}

void Imports::cancel(const RemoteServer& server, CallId call, std::string_view reason) {
  if (calls_.erase(call) == 0) return;
  Exports& to = *shards_[server.owner()];
  post_to(server.owner(), [&to, id = RemoteId{shard_, call}, why = std::string(reason)] { to.cancel(id, why); });
}

void Imports::wake(const RemoteServer& server) {
  Exports& to = *shards_[server.owner()];
  post_to(server.owner(), [&to, key = server.key(), shard = shard_] { to.wake(key, shard); });
}

void Imports::subscribe(const RemoteServer& server, std::string_view uri) {
  Exports& to = *shards_[server.owner()];
  post_to(server.owner(),
          [&to, key = server.key(), shard = shard_, what = std::string(uri)] { to.subscribe(key, shard, what); });
}

void Imports::unsubscribe(const RemoteServer& server, std::string_view uri) {
  Exports& to = *shards_[server.owner()];
  post_to(server.owner(),
          [&to, key = server.key(), shard = shard_, what = std::string(uri)] { to.unsubscribe(key, shard, what); });
}

void Imports::send(const RemoteServer& server, std::string_view message) {
  Exports& to = *shards_[server.owner()];
  post_to(server.owner(), [&to, key = server.key(), text = std::string(message)] { to.send(key, text); });
}

// ---- answers that come

void Imports::response(CallId call, const json::OwnedDocument& message) {
  const auto found = calls_.extract(call);
  if (!found.empty()) found.mapped()->on_response(message.document());
}

void Imports::notification(CallId call, const json::OwnedDocument& message) {
  const auto found = calls_.find(call);
  if (found != calls_.end()) found->second->on_notification(message.document());
}

void Imports::failure(CallId call, const base::Refusal& refusal) {
  const auto found = calls_.extract(call);
  if (!found.empty()) found.mapped()->on_failure(refusal);
}

void Imports::request_refused(CallId call, std::string_view feature) {
  const auto found = calls_.find(call);
  if (found != calls_.end()) found->second->on_request_refused(feature);
}

void Imports::server_is(std::string_view key, ServerView view) {
  const auto found = servers_.find(key);
  if (found != servers_.end()) found->second->is(std::move(view));
}

void Imports::server_told(std::string_view key, const json::OwnedDocument& message) {
  const auto found = servers_.find(key);
  if (found != servers_.end()) observer_.on_notification(*found->second, message.document());
}

}  // namespace clawql::engine::upstream
