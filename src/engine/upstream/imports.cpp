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

void Imports::send(std::uint32_t owner, io::Task task) {
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
  const auto take = [&](const ipc::ServerSettings& server, std::uint32_t owner) {
    if (owner == shard_) return;
    if (const auto kept = before.find(server.name); kept != before.end()) {
      kept->second->change(server);
      servers_.insert(before.extract(kept));
      return;
    }
    servers_.emplace(server.name, std::make_unique<RemoteServer>(*this, observer_, owner, server));
    Exports& from = *shards_[owner];
    send(owner, [&from, name = server.name, shard = shard_] { from.subscribe(name, shard); });
  };
  take({.name = "clawql", .prefix = "clawql__", .eager = false}, 0);
  for (const ipc::ServerSettings& server : settings.servers) take(server, shard_of(server.name, settings.shards));
  for (auto& [name, gone] : before) loop_.post([kept = std::move(gone)] {});
}

Server* Imports::find(std::string_view name) const {
  const auto found = servers_.find(name);
  return found == servers_.end() ? nullptr : found->second.get();
}

// ---- calls that go

CallId Imports::call(const RemoteServer& server, const OutgoingRequest& request, CallSink& sink) {
  const CallId call = ++last_call_;
  calls_.emplace(call, &sink);
  Exports& to = *shards_[server.owner()];
  send(server.owner(), [&to, id = RemoteId{shard_, call}, name = server.name(), moved = MovedRequest(request)] {
    to.call(id, name, moved);
  });
  return call;
}

void Imports::cancel(const RemoteServer& server, CallId call, std::string_view reason) {
  if (calls_.erase(call) == 0) return;
  Exports& to = *shards_[server.owner()];
  send(server.owner(), [&to, id = RemoteId{shard_, call}, why = std::string(reason)] { to.cancel(id, why); });
}

void Imports::wake(const RemoteServer& server) {
  Exports& to = *shards_[server.owner()];
  send(server.owner(), [&to, name = server.name(), shard = shard_] { to.wake(name, shard); });
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

void Imports::server_is(std::string_view name, ServerView view) {
  const auto found = servers_.find(name);
  if (found != servers_.end()) found->second->is(std::move(view));
}

}  // namespace clawql::engine::upstream
