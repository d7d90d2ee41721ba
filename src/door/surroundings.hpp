// What every connection of one loop shares: the settings of the moment, the places to hand requests to, and the books.
// Owned by the DoorLoop, used on its thread alone.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/limits.hpp"
#include "door/admission.hpp"
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

struct Surroundings {
  io::Loop& loop;
  std::shared_ptr<const Snapshot> snapshot;
  Handover& handover;
  RefusalBook& refusals;
  bool draining = false;

  // Kept so that a request allocates nothing for them.
  http::ResponseHead response;
  ipc::Open open;

  // "Tue, 24 Nov 2026 11:22:16 GMT", formatted once a second. The view holds until the next call.
  std::string_view date();
  // Takes the client off the loop; it dies at the end of the turn.
  virtual void bury(Client& client) = 0;

  Surroundings(io::Loop& loop_, Handover& handover_, RefusalBook& refusals_)
      : loop(loop_), handover(handover_), refusals(refusals_) {}

 protected:
  ~Surroundings() = default;

 private:
  std::string date_;
  base::Microseconds date_from_{-1'000'000};
};

}  // namespace clawql::door
