// Event streams that a client can resume (MCP 2025-11-25, transports, "Resumability and redelivery"): their events are
// numbered and kept, so that a client whose connection ended asks with Last-Event-ID for what it missed, and hears the
// rest on a GET. There are two: the answer to a POST (replay.hpp) and what a session hears on a GET (standing.hpp).
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "engine/line/buffers.hpp"
#include "engine/mcp/session.hpp"

namespace clawql::engine::line {

struct Core;

class Resumable {
 public:
  // The connection on which the events go out.
  class Sink {
   public:
    // Whole events. False: it does not take them in; it was cut off and must not be used any more.
    virtual bool deliver(std::string_view events) = 0;
    // It does not read what it has: nothing more goes there, and what waits for it is dropped.
    virtual void cut_off() = 0;
    // There will be no further event on this connection.
    virtual void ended() = 0;

   protected:
    ~Sink() = default;
  };

  static constexpr std::size_t kHistory = 256U << 10;  // bytes kept of what went out already
  static constexpr base::Microseconds kKeptUnheard{300'000'000};

  Resumable(Core& core, mcp::Session& session, std::uint64_t number);
  virtual ~Resumable();
  Resumable(const Resumable&) = delete;
  Resumable& operator=(const Resumable&) = delete;

  std::uint64_t number() const { return number_; }
  // An event without data whose id the client can come back with, and when it may (revision 2025-11-25).
  void prime();
  // From now on events go there, at once those after `event` that are still kept. One that was there before ends.
  virtual void attach(Sink& sink, std::uint64_t event);
  void detach();
  bool is_attached() const { return sink_ != nullptr; }

  // Its time is over: it can go.
  virtual bool is_over(base::Microseconds now) const = 0;
  // It can go when its session has too many.
  virtual bool is_finished() const = 0;
  // All of it went out; it is kept in case that the client did not get the last of it.
  virtual bool is_spare() const = 0;
  // It stays, and lets go of what it keeps of what went out.
  virtual void let_go() {}
  // Belongs to no request: ends when the gateway stops.
  virtual bool is_standing() const = 0;
  // From time to time.
  virtual void age(base::Microseconds /*now*/) {}

 protected:
  // A connection takes its events, or none any more.
  virtual void attached() {}
  virtual void detached() {}
  bool make_room(std::size_t bytes);
  void keep(std::string_view data);
  void drop_events();
  void end_connection();

  Core& core_;
  std::size_t bytes_ = 0;  // of the events that are kept
  bool heard_ = false;     // the last event went out

 private:
  struct Event {
    std::uint64_t number;
    std::string text;
  };
  void forget_history();
  std::string id_of(std::uint64_t event) const;

  const std::uint64_t number_;
  std::shared_ptr<std::size_t> buffered_;  // of the session
  StreamBuffer share_;
  std::deque<Event> events_;
  std::uint64_t last_ = 0;
  Sink* sink_ = nullptr;
};

}  // namespace clawql::engine::line
