#include "door/refusal_book.hpp"

#include <algorithm>
#include <vector>

namespace clawql::door {
namespace {

constexpr std::size_t kKeptValueBytes = 256;

bool is_guards(base::Reason reason) {
  return reason == base::Reason::host_not_allowed || reason == base::Reason::origin_not_allowed ||
         reason == base::Reason::cross_site_fetch;
}

}  // namespace

RefusalBook::RefusalBook(io::Loop& loop, base::Logger& logger, Handover& handover, std::uint32_t loops)
    : logger_(logger),
      handover_(handover),
      lines_(std::max(kLinesPerSecond / std::max(loops, 1U), 1U)),
      second_(loop, [this] { end_of_second(); }) {}

void RefusalBook::note(const Refused& refused, const ipc::Peer& peer, const Listener& listener) {
  Page& page = pages_[static_cast<std::size_t>(refused.reason)];
  ++page.total;
  ++page.unsent;
  page.last_peer = peer;
  page.last_value.assign(refused.offered.substr(0, kKeptValueBytes));
  if (page.this_second++ < lines_) write_line(refused, peer, listener);
  if (!second_.is_set()) second_.set(std::chrono::seconds(1));
}

void RefusalBook::write_line(const Refused& refused, const ipc::Peer& peer, const Listener& listener) {
  const base::RefusalFacts& facts = base::facts(refused.reason);
  const auto level = is_guards(refused.reason) ? base::Level::warning : base::Level::info;
  const std::string allow_with = remedy(refused);
  const std::string from = ipc::describe(peer);
  if (allow_with.empty())
    logger_.log(level, "door.refused",
                {{"reason", facts.label},
                 {"status", facts.http_status},
                 {"offered", refused.offered},
                 {"peer", from},
                 {"listener", listener.label}});
  else
    logger_.log(level, "door.refused",
                {{"reason", facts.label},
                 {"status", facts.http_status},
                 {"offered", refused.offered},
                 {"peer", from},
                 {"listener", listener.label},
                 {"to_allow", allow_with}});
}

void RefusalBook::end_of_second() {
  bool more = false;
  for (std::size_t i = 0; i < pages_.size(); ++i) {
    Page& page = pages_[i];
    if (page.this_second > lines_)
      logger_.warning("door.refused_more", {{"reason", base::facts(static_cast<base::Reason>(i)).label},
                                            {"not_logged", page.this_second - lines_}});
    more = more || page.this_second > 0;
    page.this_second = 0;
  }
  tell_engine();
  if (more) second_.set(std::chrono::seconds(1));
}

void RefusalBook::tell_engine() {
  // Without an engine the counts wait for the next one.
  if (!handover_.shard(0).up()) return second_.set(std::chrono::seconds(1));
  std::vector<ipc::RefusalCount> counts;
  std::vector<std::string> peers;
  peers.reserve(pages_.size());
  for (std::size_t i = 0; i < pages_.size(); ++i) {
    Page& page = pages_[i];
    if (page.unsent == 0) continue;
    peers.push_back(ipc::describe(page.last_peer));
    counts.push_back({static_cast<std::uint8_t>(i), page.unsent, peers.back(), page.last_value});
    page.unsent = 0;
  }
  if (!counts.empty()) handover_.shard(0).channel().refusals(counts);
}

}  // namespace clawql::door
