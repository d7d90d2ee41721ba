// Event streams that a client can resume (MCP 2025-11-25, transports, "Resumability and redelivery"). The answer to a
// POST that became an event stream belongs to its session: what is said of it is numbered and kept, so that a client
// whose connection ended asks with Last-Event-ID for what it missed, and hears the rest on a GET.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/clock.hpp"
#include "engine/line/buffers.hpp"
#include "engine/mcp/asker.hpp"
#include "engine/mcp/session.hpp"

namespace clawql::engine::line {

struct Core;

class Replay final : public mcp::Asker {
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
  static constexpr base::Microseconds kKeptHeard{10'000'000};  // the last bytes may not have reached the client

  // `request`: raw id of the request that it answers.
  Replay(Core& core, mcp::Session& session, std::uint64_t number, std::string request);
  ~Replay();
  Replay(const Replay&) = delete;
  Replay& operator=(const Replay&) = delete;

  std::uint64_t number() const { return number_; }
  // An event without data whose id the client can come back with, and when it may (revision 2025-11-25).
  void prime();
  // From now on events go there, at once those after `event` that are still kept. One that was there before ends.
  void attach(Sink& sink, std::uint64_t event);
  void detach() { sink_ = nullptr; }
  bool is_over(base::Microseconds now) const;
  bool is_finished() const { return finished_at_.has_value(); }
  // All of it went out; it is kept in case that the client did not get the last of it.
  bool is_spare() const { return finished_at_ && heard_ && sink_ == nullptr; }

  bool notify(const mcp::Spliced& notification) override;
  bool respond(const mcp::Spliced& response, int http_status) override;
  void withdraw() override;

 private:
  struct Event {
    std::uint64_t number;
    std::string text;
  };
  bool make_room(std::size_t bytes);
  void keep(std::string_view data);
  void forget_history();
  void finish();
  std::string id_of(std::uint64_t event) const;

  Core& core_;
  const std::uint64_t number_;
  const std::string request_;
  std::shared_ptr<std::size_t> buffered_;  // of the session
  StreamBuffer share_;
  std::deque<Event> events_;
  std::size_t bytes_ = 0;
  std::uint64_t last_ = 0;
  Sink* sink_ = nullptr;
  bool heard_ = false;  // the last event went out
  std::optional<base::Microseconds> finished_at_;
};

// Those of all sessions of a shard.
class Replays {
 public:
  Replay& open(Core& core, mcp::Session& session, std::string request);
  struct Place {
    Replay* replay;       // null: no such stream, or not any more
    std::uint64_t event;  // the last one that the client has
  };
  Place find(const mcp::Session& session, std::string_view last_event_id) const;
  void forget(const mcp::Session& session) { by_session_.erase(&session); }
  // Lets go of what went out, when the room is needed for what did not.
  void drop_heard();
  // Lets go of those whose time is over.
  void sweep(base::Microseconds now);

 private:
  std::unordered_map<const mcp::Session*, std::vector<std::unique_ptr<Replay>>> by_session_;
  std::uint64_t last_ = 0;
};

}  // namespace clawql::engine::line
