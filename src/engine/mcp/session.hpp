// What a client opened with `initialize`: the version it speaks, what it has under way, and where unrelated messages
// for it go. A session belongs to the principal that opened it and to one shard, which its id names. Everything here
// belongs to the shard's loop.
#pragma once

#include <array>
#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "engine/identity/principal.hpp"
#include "engine/mcp/client.hpp"
#include "engine/mcp/lists.hpp"
#include "engine/mcp/log_level.hpp"
#include "engine/mcp/subscriptions.hpp"

namespace clawql::engine::mcp {

// Two hex characters of the shard, then 256 bits of the kernel's random numbers in hex. Knowing one is not enough to
// use it: the principal must be the same.
class SessionId {
 public:
  static constexpr std::size_t kTextLength = 2 + 64;
  static Result<SessionId> make(std::uint8_t shard);
  static std::optional<SessionId> parse(std::string_view text);  // lower-case hex alone
  std::string text() const;
  std::uint8_t shard() const { return shard_; }
  bool operator==(const SessionId&) const = default;

  struct Hash {  // the bits are random already; who looks up a made-up id meets nothing
    std::size_t operator()(const SessionId& id) const;
  };

 private:
  std::uint8_t shard_ = 0;
  std::array<std::uint8_t, 32> bits_{};
};

// A stream to the client that carries messages which belong to no request: a GET stream, or the connection of newline
// JSON.
class MessageStream {
 public:
  virtual bool send(std::string_view message) = 0;  // false: no room, the message was dropped
  virtual void close() = 0;                         // the session ended; detaches itself first

 protected:
  ~MessageStream() = default;
};

class Session final : public Client, public Subscriber {
 public:
  Session(SessionId id, identity::KnownPrincipal& principal, Version version, View& shared);
  ~Session() override;

  Session* session() override { return this; }
  const SessionId& id() const { return id_; }
  // What a session has beside what all share; the line knows what (own_servers.hpp). Whoever ends the session ends it
  // first.
  class Own {
   public:
    virtual ~Own() = default;
  };
  // `view`: of the servers, from now on; it belongs to `own`.
  void give(std::unique_ptr<Own> own, View& view) {
    own_ = std::move(own);
    use_view(view);
  }
  Own* own() const { return own_.get(); }
  // The first 16 hex characters of the id's SHA-256: for the audit, never the id.
  std::string_view audit_name() const override { return {audit_name_.data(), audit_name_.size()}; }

  void on_resource_updated(std::string_view uri) override;

  // Streams for unrelated messages; each goes to one of them, the one that was opened last.
  std::size_t streams() const { return streams_.size(); }
  void attach(MessageStream& stream);
  void detach(MessageStream& stream);
  const std::vector<MessageStream*>& all_streams() const { return streams_; }
  MessageStream* newest_stream() const { return streams_.empty() ? nullptr : streams_.back(); }
  // A stream whose connection is gone, and whose client may come back for what it keeps meanwhile.
  void rest(std::weak_ptr<MessageStream> stream) { resting_ = std::move(stream); }
  // Takes a notification: the newest stream, or else the one that rests. False: nobody will hear of it.
  bool tell(std::string_view notification);

  void touch(base::Microseconds now) override { last_used_ = now; }
  // Without request or stream since so long; 0 while it has one.
  base::Microseconds idle_for(base::Microseconds now) const;

  // Absent: the client never asked. Sessions::set_log_level() changes it.
  std::optional<LogLevel> log_level() const { return log_level_; }

  Changes unsent;         // list_changed that are due on the next stream
  bool orphaned = false;  // its connection is gone for good: it ends with the last call that is in flight

 private:
  friend class Sessions;  // counts the log levels
  // What every call touches first: with thousands of sessions none of it is in a cache when its call comes.
  base::Microseconds last_used_{0};
  std::array<char, 16> audit_name_;
  std::optional<LogLevel> log_level_;
  std::unique_ptr<Own> own_;  // null: nothing
  std::vector<MessageStream*> streams_;
  std::weak_ptr<MessageStream> resting_;
  SessionId id_;
};

// The sessions of one shard.
class Sessions {
 public:
  explicit Sessions(std::uint8_t shard) : shard_(shard) {}

  // Fails only when the kernel gives no random numbers. The caller has checked the limit.
  Result<Session*> open(identity::KnownPrincipal& principal, Version version, View& shared, base::Microseconds now);
  // Null: no such session, garbage, or another principal's. They cannot be told apart from outside.
  Session* find(std::string_view id_text, const identity::KnownPrincipal& principal) const;
  Session* find(const SessionId& id) const;  // null: ended
  void close(Session& session);              // nothing may be pending or attached any more
  void set_log_level(Session& session, LogLevel level);
  // The least severe that a session asked for; absent: none did. Does not walk the sessions.
  std::optional<LogLevel> least_log_level() const;

  std::size_t size() const { return sessions_.size(); }
  void for_each(const std::function<void(Session&)>& visit);
  // Those that have been idle longer than `limit`.
  std::vector<Session*> idle(base::Microseconds now, base::Microseconds limit) const;

 private:
  std::uint8_t shard_;
  std::array<std::size_t, kLogLevels.size()> by_log_level_{};  // how many asked for it
  boost::unordered_flat_map<SessionId, std::unique_ptr<Session>, SessionId::Hash> sessions_;
};

}  // namespace clawql::engine::mcp
