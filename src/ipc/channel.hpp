// The channel between one door loop and one engine shard: many streams over one Unix socketpair, with credit in both
// directions so that no reader can make the other side buffer without end. One table (channel.cpp) says which frame is
// allowed in which state; whoever breaks it is cut off. Both ends are on a loop; frames leave once a turn.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/refusal.hpp"
#include "base/result.hpp"
#include "io/loop.hpp"
#include "io/stream.hpp"
#include "ipc/messages.hpp"
#include "os/fd.hpp"

namespace clawql::ipc {

// ---- the door's end ----

// One request of a client, seen from the door. After on_end or on_reset the channel has forgotten the stream once this
// side has sent end() or cancel() too; the handler is not called again.
class DoorStreamHandler {
 public:
  virtual void on_head(const Head& head) = 0;
  virtual void on_data(std::string_view bytes) = 0;  // give credit() for them when the client took them
  virtual void on_end() = 0;
  virtual void on_reset(
      base::Reason reason) = 0;  // also for every stream when the channel is lost (engine_unavailable)
  virtual void on_body_credit(std::uint32_t bytes) = 0;  // so many more body bytes may be sent

 protected:
  ~DoorStreamHandler() = default;
};

class DoorChannel {
 public:
  class Handler {
   public:
    virtual void on_room() = 0;  // can_open() is true again
    virtual void on_closed(
        Error error) = 0;  // the engine's end is gone or broke the protocol; all streams were reset before
   protected:
    ~Handler() = default;
  };
  DoorChannel(io::Loop& loop, os::Fd socket, Handler& handler);
  ~DoorChannel();

  // False when stream ids or channel credit are used up: read no client until on_room().
  bool can_open() const;
  // `open.first_body` at most kStreamCredit bytes. If !open.has_body, the request is complete with this call (end is
  // sent too).
  StreamId open(const Open& open, DoorStreamHandler& handler);
  void body(StreamId stream, std::string_view bytes);  // no more than the engine gave credit for
  void end(StreamId stream);                           // the request is complete
  // After end(), once: the client sends no more on its connection, and may have left. Nothing changes for the stream.
  void half_closed(StreamId stream);
  // The client is gone. The handler is not called again for this stream.
  void cancel(StreamId stream);
  void credit(StreamId stream, std::uint32_t bytes);  // the client took so many bytes of the answer
  void refusals(const std::vector<RefusalCount>& counts);
  bool closed() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// ---- the engine's end ----

class EngineStreamHandler {
 public:
  virtual void on_body(std::string_view bytes) = 0;
  virtual void on_end() = 0;     // the request is complete (for lines: the client half-closed)
  virtual void on_cancel() = 0;  // the client is gone: answer nothing more; the stream is closed by the channel
  virtual void on_taken(std::size_t /*buffered*/) {}  // the client took bytes; so many still wait for credit
  // HTTP, after on_end, perhaps more than once: the client closed its sending side. A client of 2026-07-28 withdraws
  // its call by that; an older one may be reading its answer still, and a reset or a failed write (on_cancel) tells
  // when it left.
  virtual void on_half_closed() {}

 protected:
  ~EngineStreamHandler() = default;
};

class EngineChannel {
 public:
  class Handler {
   public:
    // A new request. The returned handler gets what follows; it must live until it was told on_cancel, or has called
    // end() or reset(). It may answer from within this call. `open` and its views end with the call.
    virtual EngineStreamHandler& on_open(EngineChannel& channel, StreamId stream, const Open& open) = 0;
    virtual void on_refusals(const std::vector<RefusalCount>& counts) = 0;
    virtual void on_closed(Error error) = 0;  // the door is gone; every open stream was told on_cancel before
   protected:
    ~Handler() = default;
  };
  EngineChannel(io::Loop& loop, os::Fd socket, Handler& handler);
  ~EngineChannel();

  void grant_body(StreamId stream,
                  std::uint32_t bytes);  // more body bytes may come; the first grant makes the door send 100 Continue
  void head(StreamId stream, const Head& head);
  // Never blocks: what the stream's credit does not cover waits here and counts in buffered().
  void data(StreamId stream, std::string_view bytes);
  void end(StreamId stream);                         // the answer is complete (waits behind buffered data)
  void reset(StreamId stream, base::Reason reason);  // drops what is buffered
  std::size_t buffered(StreamId stream) const;       // bytes waiting for credit
  std::size_t buffered() const;                      // of all streams
  bool closed() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace clawql::ipc
