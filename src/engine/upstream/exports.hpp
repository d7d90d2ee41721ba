// The servers that a shard owns, for the other shards: takes their calls, hands the answers back, and tells what has
// changed. Lives on the owner's loop; the others post to it. Messages between two shards keep their order, because
// each way is one queue.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/upstream/remote_call.hpp"
#include "io/loop.hpp"

namespace clawql::engine::upstream {

class Imports;

class Exports {
 public:
  // A server that the shard owns, or null. Asked for each call: a reload may have taken it away meanwhile. `key` here
  // and below: the name of an entry, or modern_key() of it.
  using Find = std::function<Server*(std::string_view key)>;
  Exports(io::Loop& loop, std::uint32_t shard, Find find);
  ~Exports();
  Exports(const Exports&) = delete;
  Exports& operator=(const Exports&) = delete;

  // Every shard's, by number; before any loop runs. Those must live until all loops have ended.
  void connect(std::vector<Imports*> shards) { shards_ = std::move(shards); }
  io::Loop& loop() { return loop_; }

  // Tells the other shards of this server where it differs from what they were told last.
  void publish(const std::string& key, Server& server);
  // What the server told of no call: a change of a resource goes to the shards that have a subscription with it, what
  // any session may wait for to all, log messages to none (the owner's shard logs them) but those of a task.
  void notify(const std::string& key, const json::Document& message);

  // For the other shards, on this loop.
  void call(RemoteId id, std::string_view key, const MovedRequest& request);
  void cancel(RemoteId id, std::string_view reason);
  void wake(std::string_view key, std::uint32_t shard);    // and tells that shard how it stands
  void report(std::string_view key, std::uint32_t shard);  // tells how it stands, nothing if it is not here (yet)
  // Once for each resource that somebody in that shard wants to hear of.
  void subscribe(std::string_view key, std::uint32_t shard, std::string_view uri);
  void unsubscribe(std::string_view key, std::uint32_t shard, std::string_view uri);
  void send(std::string_view key, std::string_view message);

  std::size_t calls() const { return calls_.size(); }

 private:
  class Call;
  void tell(std::uint32_t shard, std::string_view key, Server& server);

  io::Loop& loop_;
  const std::uint32_t shard_;
  Find find_;
  std::vector<Imports*> shards_;
  std::map<RemoteId, std::unique_ptr<Call>> calls_;
  std::map<std::string, ServerView, std::less<>> told_;
  // How many resources of a server each other shard has subscribed to.
  std::map<std::string, std::map<std::uint32_t, std::size_t>, std::less<>> subscribers_;
};

}  // namespace clawql::engine::upstream
