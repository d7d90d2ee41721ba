#include "door/surroundings.hpp"

#include <chrono>

namespace clawql::door {

Surroundings::Surroundings(io::Loop& loop_, base::Logger& logger, Undertaker& undertaker_, std::uint32_t loops,
                           std::uint32_t shards)
    : loop(loop_),
      undertaker(undertaker_),
      handover(loop_, shards,
               [this, &logger](std::uint32_t shard, const Error& error) {
                 // Who stops the gateway ends the engine first.
                 logger.log(draining ? base::Level::info : base::Level::warning, "door.engine_lost",
                            {{"shard", shard}, {"error", error.message}});
               }),
      refusals(loop_, logger, handover, loops) {}

std::string_view Surroundings::date() {
  const base::Microseconds now = loop.now();
  if (now >= date_until_ || date_.empty()) {
    date_ = base::format_http_date(loop.clock().wall_nanoseconds());
    date_until_ = now + std::chrono::seconds(1);
  }
  return date_;
}

}  // namespace clawql::door
