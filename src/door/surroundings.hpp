// What every connection of one loop shares: the settings of the moment, the places to hand requests to, and the books.
// Owned by the DoorLoop, used on its thread alone.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/limits.hpp"
#include "base/log.hpp"
#include "door/allow_list.hpp"
#include "door/handover.hpp"
#include "door/refusal_book.hpp"
#include "http/request.hpp"
#include "io/loop.hpp"
#include "ipc/messages.hpp"

namespace clawql::door {

class Client;

// Everything a reload can change, swapped as a whole.
struct Snapshot {
  std::shared_ptr<const AllowList> allow;
  base::Limits limits;
};

class Undertaker {
 public:
  // Takes the client off the loop; it dies at the end of the turn.
  virtual void bury(Client& client) = 0;

 protected:
  ~Undertaker() = default;
};

class Surroundings {
 public:
  // `loops`: how many of the process share the limits. `shards`: of the engine.
  Surroundings(io::Loop& loop_, base::Logger& logger, Undertaker& undertaker_, std::uint32_t loops,
               std::uint32_t shards);

  io::Loop& loop;
  Undertaker& undertaker;
  std::shared_ptr<const Snapshot> snapshot;
  Handover handover;
  RefusalBook refusals;
  bool draining = false;

  // Kept so that a request allocates nothing for them.
  http::ResponseHead response;
  ipc::Open open;

  // "Tue, 24 Nov 2026 11:22:16 GMT", formatted once a second. The view holds until the next call.
  std::string_view date();

 private:
  std::string date_;
  base::Microseconds date_until_{0};
};

}  // namespace clawql::door
