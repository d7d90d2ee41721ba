// Every refusal at the door is counted; some are logged. A flood of them must neither flood the operator's log nor the
// engine's audit: at most some lines a second and reason, and one frame of counts a second to shard 0, which owns
// audit and metrics. One book a loop, on its thread.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/log.hpp"
#include "base/refusal.hpp"
#include "door/handover.hpp"
#include "door/refused.hpp"
#include "door/route.hpp"
#include "io/loop.hpp"
#include "ipc/messages.hpp"

namespace clawql::door {

class RefusalBook {
 public:
  static constexpr std::uint32_t kLinesPerSecond = 10;  // of one reason, all loops together

  // `loops`: how many books share the lines.
  RefusalBook(io::Loop& loop, base::Logger& logger, Handover& handover, std::uint32_t loops);

  void note(const Refused& refused, const ipc::Peer& peer, const Listener& listener);
  // Since the start.
  std::uint64_t total(base::Reason reason) const { return pages_[static_cast<std::size_t>(reason)].total; }

 private:
  struct Page {
    std::uint64_t total = 0;
    std::uint32_t unsent = 0;  // counts that the engine does not know of
    std::uint32_t this_second = 0;
    ipc::Peer last_peer;
    std::string last_value;
  };
  void write_line(const Refused& refused, const ipc::Peer& peer, const Listener& listener);
  void end_of_second();
  void tell_engine();

  base::Logger& logger_;
  Handover& handover_;
  std::uint32_t lines_;
  std::array<Page, base::kReasonCount> pages_;
  io::Deadline second_;
};

}  // namespace clawql::door
