// The four lists of one process: which it has, their pages, and when one is fetched again. A list that cannot be had is
// empty the first time and stays as it was later; only without its list of tools a server that has tools is of no use.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/limits.hpp"
#include "base/log.hpp"
#include "engine/upstream/item_collector.hpp"
#include "engine/upstream/list_shapes.hpp"
#include "engine/upstream/offer.hpp"
#include "engine/upstream/own_requests.hpp"
#include "io/loop.hpp"
#include "ipc/settings.hpp"

namespace clawql::engine::upstream {

class Lists {
 public:
  static constexpr base::Milliseconds kRefetchInterval{1'000};  // of each list, however often it changes
  // So long the others may take after the list of tools, before the server counts as ready without them.
  static constexpr base::Milliseconds kOthersPatience{5'000};

  class Handler {
   public:
    virtual void on_list(ListKind kind, std::shared_ptr<const ItemList> items, Freshness freshness) = 0;
    // The first round is over: what has not come comes later or never.
    virtual void on_lists_complete() = 0;
    // The list of tools cannot be had in the first round. May end this.
    virtual void on_no_tools(const std::string& why) = 0;

   protected:
    ~Handler() = default;
  };
  struct Parts {  // all borrowed, for the life of the process
    io::Loop& loop;
    OwnRequests& own;
    Handler& handler;
    base::Logger& log;
    const ipc::ServerSettings& settings;  // name, and the allow-list of tools
    const base::Limits& limits;
  };

  Lists(Parts parts, const Features& features);
  // The first round.
  void begin();
  // It told that this list is another one now.
  void changed(ListKind kind);

 private:
  struct List {
    bool served = false;
    bool due = false;                        // to be fetched again
    std::optional<ItemCollector> collector;  // while it is being fetched
    std::uint64_t request = 0;               // then: the page that is awaited
    base::Microseconds last_fetch{0};
  };
  List& list(ListKind kind) { return lists_[static_cast<std::size_t>(kind)]; }
  void fetch(ListKind kind);
  void fetch_due();
  void ask_page(ListKind kind, const std::string& members);
  void on_page(ListKind kind, const OwnRequests::Answer& answer);
  void finish(ListKind kind);
  void give_up(ListKind kind, const OwnRequests::Answer& answer, const std::string& why);
  void report_faults(const ListShape& shape, const ItemCollector& collector);
  void settle();
  void end_first_round();
  void on_unanswered();
  bool is_fetching() const;

  Parts parts_;
  std::array<List, kListKinds> lists_;
  bool first_round_ = true;
  io::Deadline answer_;  // for whatever is being fetched
  io::Deadline others_;  // in the first round, once the tools are there
  io::Deadline refetch_;
};

// How long the gateway waits for an answer of this server.
base::Milliseconds call_limit(const ipc::ServerSettings& settings, const base::Limits& limits);

}  // namespace clawql::engine::upstream
