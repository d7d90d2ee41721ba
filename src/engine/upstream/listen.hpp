// What a process of 2026-07-28 is asked to tell: one `subscriptions/listen` of ours for the changes of its lists and
// for the subscribed resources (MCP 2026-07-28, basic/patterns/subscriptions). A listen cannot be changed, so another
// set of resources needs another listen: the new one is there before the old one is cancelled, and nothing is missed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/log.hpp"
#include "engine/upstream/handshake.hpp"
#include "engine/upstream/own_requests.hpp"
#include "engine/upstream/subscriptions.hpp"
#include "io/loop.hpp"

namespace clawql::engine::upstream {

class Listen {
 public:
  static constexpr base::Milliseconds kReopenDelay{1'000};       // after the server ended it
  static constexpr base::Milliseconds kOpeningPatience{10'000};  // for its acknowledgement

  struct Parts {  // all borrowed, for the life of the process
    io::Loop& loop;
    OwnRequests& own;
    base::Logger& log;
    const std::string& server;
    const Introduction& who;
    const Subscriptions& subscriptions;
  };
  explicit Listen(Parts parts);

  // At the start, and whenever the subscriptions have changed.
  void update();
  // notifications/subscriptions/acknowledged
  void acknowledged(json::Value params);
  // notifications/cancelled: a server may end a listen by it.
  void cancelled(json::Value params);
  // True when a notification with these params came on the listen that counts now.
  bool covers(json::Value params) const;

 private:
  std::string filter() const;  // the members of `notifications`
  void open(std::string filter);
  void close(std::optional<std::uint64_t>& id);
  void on_answer(const OwnRequests::Answer& answer);
  void ended(std::uint64_t id);
  void on_opening_unanswered();

  Parts parts_;
  std::optional<std::uint64_t> current_, opening_;
  bool changed_meanwhile_ = false;
  std::string opening_filter_, refused_filter_;  // the same is not asked again once it was refused
  io::Deadline opening_deadline_, reopen_;
};

}  // namespace clawql::engine::upstream
