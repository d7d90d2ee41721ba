// The servers that other shards own, as this shard uses them: a RemoteServer for each, and the calls that are away.
// Lives on the loop of the shard that calls; the owners post to it. What comes for a call that ended here meanwhile, or
// for a server that is not in the configuration any more, is dropped.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engine/upstream/remote_call.hpp"
#include "engine/upstream/remote_server.hpp"
#include "io/loop.hpp"
#include "ipc/settings.hpp"
#include "json/document.hpp"

namespace clawql::engine::upstream {

class Exports;

class Imports final : private io::TurnEnd {
 public:
  Imports(io::Loop& loop, std::uint32_t shard, Server::Observer& observer);
  ~Imports();
  Imports(const Imports&) = delete;
  Imports& operator=(const Imports&) = delete;

  // Every shard's, by number; before any loop runs. Those must live until all loops have ended.
  void connect(std::vector<Exports*> shards);
  io::Loop& loop() { return loop_; }

  // At start and at each reload. Servers that are gone stay valid until the loop's next turn, so that the line can let
  // go of them; one that stays is the same object.
  void apply(const ipc::EngineSettings& settings);
  // By the name of an entry, or modern_key() of it. Null when it is not in the configuration, or this shard's own.
  Server* find(std::string_view key) const;

  // For RemoteServer.
  CallId call(const RemoteServer& server, const OutgoingRequest& request, CallSink& sink);
  void cancel(const RemoteServer& server, CallId call, std::string_view reason);
  void wake(const RemoteServer& server);
  void subscribe(const RemoteServer& server, std::string_view uri);
  void unsubscribe(const RemoteServer& server, std::string_view uri);
  void send(const RemoteServer& server, std::string_view message);

  // For the owners, on this loop.
  void response(CallId call, const json::OwnedDocument& message);
  void notification(CallId call, const json::OwnedDocument& message);
  void failure(CallId call, const base::Refusal& refusal);
  void request_refused(CallId call, std::string_view feature);
  void server_is(std::string_view key, ServerView view);
  void server_told(std::string_view key, const json::OwnedDocument& message);

  std::size_t calls() const { return calls_.size(); }

 private:
  // Leaves at the end of the turn, when the audit records of the turn are in the file: a call never goes before its
  // intent.
  void post_to(std::uint32_t owner, io::Task task);
  void on_turn_end() override;

  io::Loop& loop_;
  const std::uint32_t shard_;
  Server::Observer& observer_;
  std::vector<Exports*> shards_;
  std::vector<std::vector<io::Task>> outgoing_;                                // by owner
  std::map<std::string, std::unique_ptr<RemoteServer>, std::less<>> servers_;  // by key
  std::unordered_map<CallId, CallSink*> calls_;
  CallId last_call_ = 0;
};

}  // namespace clawql::engine::upstream
