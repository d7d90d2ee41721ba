// The answer to a POST that became an event stream belongs to its session: what is said of it is kept until the client
// has heard it, on whichever connection (resumable.hpp).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engine/line/resumable.hpp"
#include "engine/mcp/asker.hpp"

namespace clawql::engine::line {

class Replay final : public Resumable, public mcp::Asker {
 public:
  static constexpr base::Microseconds kKeptHeard{10'000'000};  // the last bytes may not have reached the client

  // `request`: raw id of the request that it answers.
  Replay(Core& core, mcp::Session& session, std::uint64_t number, std::string request);

  void attach(Sink& sink, std::uint64_t event) override;
  bool is_over(base::Microseconds now) const override;
  bool is_finished() const override { return finished_at_.has_value(); }
  bool is_spare() const override { return finished_at_ && heard_ && !is_attached(); }
  bool is_standing() const override { return false; }

  bool notify(const mcp::Spliced& notification) override;
  bool respond(const mcp::Spliced& response, int http_status) override;
  void withdraw() override;

 private:
  void finish();

  const std::string request_;
  std::optional<base::Microseconds> finished_at_;
};

// All streams of a shard that can be resumed.
class Replays {
 public:
  // The answer to this request.
  Replay& open(Core& core, mcp::Session& session, std::string request);
  // What the session hears on a GET.
  Resumable& open_standing(Core& core, mcp::Session& session);
  struct Place {
    Resumable* replay;    // null: no such stream, or not any more
    std::uint64_t event;  // the last one that the client has
  };
  Place find(const mcp::Session& session, std::string_view last_event_id) const;
  void forget(const mcp::Session& session) { by_session_.erase(&session); }
  // Lets go of what went out, when the room is needed for what did not.
  void drop_heard();
  // Lets go of those whose time is over.
  void sweep(base::Microseconds now);

 private:
  template <class Stream>
  Stream& keep(const mcp::Session& session, std::unique_ptr<Stream> stream);

  std::unordered_map<const mcp::Session*, std::vector<std::unique_ptr<Resumable>>> by_session_;
  std::uint64_t last_ = 0;
};

}  // namespace clawql::engine::line
