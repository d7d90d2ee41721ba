#include "engine/upstream/exports.hpp"

#include <optional>
#include <utility>

#include "engine/upstream/imports.hpp"
#include "engine/upstream/related_task.hpp"

namespace clawql::engine::upstream {

// Another shard's call, as its server sees it.
class Exports::Call final : public CallSink {
 public:
  Call(Exports& exports, RemoteId id, Server& server) : exports_(exports), id_(id), server_(server) {}

  // It may be gone when this returns.
  static void send(Call& call, const OutgoingRequest& request) {
    const auto upstream = call.server_.call(request, call);
    if (upstream) call.upstream_ = upstream;
  }
  void cancel(std::string_view reason) {
    if (upstream_) server_.cancel(*upstream_, reason);
  }

 private:
  Imports& caller() const { return *exports_.shards_[id_.shard]; }

  void on_response(const json::Document& message) override {
    const auto self = exports_.calls_.extract(id_);  // gone when this returns
    Imports& to = caller();
    to.loop().post([&to, call = id_.call, answer = json::OwnedDocument(message)] { to.response(call, answer); });
  }
  void on_notification(const json::Document& message) override {
    Imports& to = caller();
    to.loop().post([&to, call = id_.call, note = json::OwnedDocument(message)] { to.notification(call, note); });
  }
  void on_request_refused(std::string_view feature) override {
    Imports& to = caller();
    to.loop().post([&to, call = id_.call, what = std::string(feature)] { to.request_refused(call, what); });
  }
  void on_failure(const base::Refusal& refusal) override {
    const auto self = exports_.calls_.extract(id_);  // gone when this returns
    Imports& to = caller();
    to.loop().post([&to, call = id_.call, refusal] { to.failure(call, refusal); });
  }

  Exports& exports_;
  const RemoteId id_;
  Server& server_;  // a server that goes fails its calls first
  std::optional<CallId> upstream_;
};

Exports::Exports(io::Loop& loop, std::uint32_t shard, Find find) : loop_(loop), shard_(shard), find_(std::move(find)) {}

Exports::~Exports() = default;

void Exports::call(RemoteId id, std::string_view key, const MovedRequest& request) {
  Server* const server = find_(key);
  if (server == nullptr) {
    Imports& to = *shards_[id.shard];
    to.loop().post([&to, call = id.call] {
      to.failure(call, {base::Reason::server_unavailable, "it was removed from the configuration"});
    });
    return;
  }
  Call& call = *calls_.emplace(id, std::make_unique<Call>(*this, id, *server)).first->second;
  Call::send(call, request.request());
  // A call may have started or failed it, of which no observer is told.
  publish(std::string(key), *server);
}

void Exports::cancel(RemoteId id, std::string_view reason) {
  const auto found = calls_.find(id);
  if (found == calls_.end()) return;  // its answer is on the way
  const std::unique_ptr<Call> call = std::move(found->second);
  calls_.erase(found);
  call->cancel(reason);
}

void Exports::wake(std::string_view key, std::uint32_t shard) {
  Server* const server = find_(key);
  if (server == nullptr) return;
  server->wake();
  publish(std::string(key), *server);
  tell(shard, key, *server);
}

void Exports::report(std::string_view key, std::uint32_t shard) {
  // That shard has only just come to know it, so it has no subscription yet.
  if (const auto found = subscribers_.find(key); found != subscribers_.end()) found->second.erase(shard);
  if (Server* const server = find_(key)) tell(shard, key, *server);
}

void Exports::send(std::string_view key, std::string_view message) {
  if (Server* const server = find_(key)) server->send(message);
}

// ---- resources

void Exports::subscribe(std::string_view key, std::uint32_t shard, std::string_view uri) {
  Server* const server = find_(key);
  if (server == nullptr) return;
  ++subscribers_[std::string(key)][shard];
  server->subscribe(uri);
}

void Exports::unsubscribe(std::string_view key, std::uint32_t shard, std::string_view uri) {
  const auto found = subscribers_.find(key);
  if (found == subscribers_.end()) return;
  const auto count = found->second.find(shard);
  if (count == found->second.end()) return;
  if (--count->second == 0) found->second.erase(count);
  if (found->second.empty()) subscribers_.erase(found);
  if (Server* const server = find_(key)) server->unsubscribe(uri);
}

void Exports::notify(const std::string& key, const json::Document& message) {
  const json::Value method = message.root().find("method");
  if (shards_.size() < 2) return;
  if (method.equals("notifications/message") && !names_task(message.root().find("params"))) return;
  const bool of_resource = method.equals("notifications/resources/updated");
  const auto subscribers = subscribers_.find(key);
  for (std::uint32_t shard = 0; shard < shards_.size(); ++shard) {
    if (shard == shard_) continue;
    if (of_resource && (subscribers == subscribers_.end() || !subscribers->second.contains(shard))) continue;
    Imports& to = *shards_[shard];
    to.loop().post([&to, key, note = json::OwnedDocument(message)] { to.server_told(key, note); });
  }
}

// ---- how a server stands

void Exports::publish(const std::string& key, Server& server) {
  if (shards_.size() < 2) return;
  ServerView& told = told_[key];
  const bool worth_waiting = server.worth_waiting_for();
  auto offer = server.offer();
  if (told.state == server.state() && told.generation == server.generation() && told.worth_waiting == worth_waiting &&
      told.offer == offer)
    return;
  told.state = server.state();
  told.generation = server.generation();
  told.worth_waiting = worth_waiting;
  told.offer = std::move(offer);
  for (std::uint32_t shard = 0; shard < shards_.size(); ++shard)
    if (shard != shard_) tell(shard, key, server);
}

void Exports::tell(std::uint32_t shard, std::string_view key, Server& server) {
  Imports& to = *shards_[shard];
  ServerView view{.state = server.state(),
                  .worth_waiting = server.worth_waiting_for(),
                  .generation = server.generation(),
                  .reason = server.describe().reason,
                  .offer = server.offer()};
  to.loop().post(
      [&to, name = std::string(key), now = std::move(view)]() mutable { to.server_is(name, std::move(now)); });
}

}  // namespace clawql::engine::upstream
