// From the door to the engine: which shard a request goes to, and the channel to it. A shard whose engine is gone is
// down until the supervisor sends a new channel; a channel without room makes requests wait their turn. One Handover a
// loop, on its thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "door/intrusive_list.hpp"
#include "door/route.hpp"
#include "io/loop.hpp"
#include "ipc/channel.hpp"

namespace clawql::door {

class ShardLink final : private ipc::DoorChannel::Handler, private io::TurnEnd {
 public:
  struct WaitingForRoom {};
  // A complete request that could not be opened yet.
  class Waiter : public ListHook<WaitingForRoom> {
   public:
    virtual void on_chance() = 0;  // try again: there is room, or the state of the engine changed

   protected:
    ~Waiter() = default;

   private:
    friend class ShardLink;
    std::uint64_t round_ = 0;
  };
  using OnLost = std::function<void(const Error&)>;

  ShardLink(io::Loop& loop, OnLost on_lost) : loop_(loop), on_lost_(std::move(on_lost)) {}

  void attach(os::Fd channel);
  bool up() const { return channel_ != nullptr && !channel_->closed(); }
  bool has_room() const { return up() && channel_->can_open(); }
  // Only while up().
  ipc::DoorChannel& channel() { return *channel_; }
  void wait(Waiter& waiter);
  void forget(Waiter& waiter) { waiting_.remove(waiter); }

 private:
  void on_room() override { loop_.at_turn_end(*this); }
  void on_closed(Error error) override;
  void on_turn_end() override;

  io::Loop& loop_;
  OnLost on_lost_;
  std::unique_ptr<ipc::DoorChannel> channel_;
  // Replaced, and not yet at their end: their streams are told that they are lost when it comes.
  std::vector<std::unique_ptr<ipc::DoorChannel>> replaced_;
  IntrusiveList<Waiter, WaitingForRoom> waiting_;
  std::uint64_t round_ = 1;
};

class Handover {
 public:
  // `on_lost(shard, error)`: the engine's end of that channel is gone.
  Handover(io::Loop& loop, std::uint32_t shards, const std::function<void(std::uint32_t, const Error&)>& on_lost);

  ShardLink& shard(std::uint32_t index) { return *links_[index]; }
  std::uint32_t shards() const { return static_cast<std::uint32_t>(links_.size()); }

  // A session's shard stands in the first two hexadecimal digits of its id; an id that names none goes to shard 0,
  // which answers that it knows no such session. What belongs to no session goes to the shard that owns the server in
  // Mcp-Name, which saves the way between two shards and decides nothing, or round; what exists once, to shard 0.
  ShardLink& pick(const AdmittedRequest& request, std::string_view head_bytes);
  ShardLink& pick_next();  // for newline JSON, which is its own session

 private:
  std::vector<std::unique_ptr<ShardLink>> links_;
  std::uint32_t next_ = 0;
};

// Shard number of a session id, nullopt when it names none.
std::optional<std::uint32_t> shard_of_session(std::string_view session_id);

// One stream of a channel, from the side of the connection that owns it: knows whether it is open, and gives credit
// back in pieces worth a frame.
class Call {
 public:
  bool is_open() const { return channel_ != nullptr; }
  void open(ShardLink& link, const ipc::Open& open, ipc::DoorStreamHandler& handler);
  void body(std::string_view bytes) { channel_->body(stream_, bytes); }
  void end() { channel_->end(stream_); }
  void half_closed() { channel_->half_closed(stream_); }  // after end()
  void cancel();                                          // the client is gone; nothing happens when it is not open
  void received(std::size_t bytes) { untaken_ += bytes; }
  void client_took_all();  // everything received so far has left
  // After on_end or on_reset. `request_ended`: end() was called.
  void ended(bool request_ended);

 private:
  ipc::DoorChannel* channel_ = nullptr;  // outlives its streams
  ipc::StreamId stream_ = 0;
  std::size_t untaken_ = 0;
};

}  // namespace clawql::door
