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
  // A server that the shard owns, or null. Asked for each call: a reload may have taken it away meanwhile.
  using Find = std::function<Server*(std::string_view name)>;
  Exports(io::Loop& loop, std::uint32_t shard, Find find);
  ~Exports();
  Exports(const Exports&) = delete;
  Exports& operator=(const Exports&) = delete;

  // Every shard's, by number; before any loop runs. Those must live until all loops have ended.
  void connect(std::vector<Imports*> shards) { shards_ = std::move(shards); }
  io::Loop& loop() { return loop_; }

  // Tells the other shards of this server where it differs from what they were told last.
  void publish(Server& server);

  // For the other shards, on this loop.
  void call(RemoteId id, std::string_view server, const MovedRequest& request);
  void cancel(RemoteId id, std::string_view reason);
  void wake(std::string_view server, std::uint32_t shard);       // and tells that shard how it stands
  void subscribe(std::string_view server, std::uint32_t shard);  // tells how it stands, nothing if it is not here (yet)

  std::size_t calls() const { return calls_.size(); }

 private:
  class Call;
  void tell(std::uint32_t shard, Server& server);

  io::Loop& loop_;
  const std::uint32_t shard_;
  Find find_;
  std::vector<Imports*> shards_;
  std::map<RemoteId, std::unique_ptr<Call>> calls_;
  std::map<std::string, ServerView, std::less<>> told_;
};

}  // namespace clawql::engine::upstream
