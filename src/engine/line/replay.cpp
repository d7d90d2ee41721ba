#include "engine/line/replay.hpp"

#include <algorithm>
#include <utility>

#include "base/decimal.hpp"
#include "engine/line/core.hpp"
#include "engine/line/standing.hpp"
#include "engine/mcp/replies.hpp"

namespace clawql::engine::line {
namespace {

constexpr std::size_t kMostOfSession = 64;  // streams that are over and still kept

}  // namespace

Replay::Replay(Core& core, mcp::Session& session, std::uint64_t number, std::string request)
    : Resumable(core, session, number), request_(std::move(request)) {}

void Replay::attach(Sink& sink, std::uint64_t event) {
  Resumable::attach(sink, event);
  if (finished_at_) end_connection();
}

bool Replay::notify(const mcp::Spliced& notification) {
  if (finished_at_ || !make_room(notification.size())) return false;
  std::string data;
  notification.append_to(data);
  keep(data);
  return true;
}

bool Replay::respond(const mcp::Spliced& response, int /*http_status*/) {
  if (finished_at_) return false;
  const bool fits = make_room(response.size());
  std::string data;
  if (fits) {
    response.append_to(data);
  } else {
    core_.metrics.calls_over_buffer.add();
    core_.metrics.refused(base::Reason::overloaded);
    data = mcp::error_response(request_, base::Reason::overloaded);
  }
  keep(data);
  finish();
  return fits;
}

void Replay::withdraw() {
  finish();
}

void Replay::finish() {
  finished_at_ = core_.loop.now();
  end_connection();
}

bool Replay::is_over(base::Microseconds now) const {
  return finished_at_ && !is_attached() && now - *finished_at_ > (heard_ ? kKeptHeard : kKeptUnheard);
}

// ---- all of them

template <class Stream>
Stream& Replays::keep(const mcp::Session& session, std::unique_ptr<Stream> stream) {
  auto& own = by_session_[&session];
  if (own.size() >= kMostOfSession)
    if (const auto oldest = std::ranges::find_if(own, &Resumable::is_finished); oldest != own.end()) own.erase(oldest);
  Stream& kept = *stream;
  own.push_back(std::move(stream));
  return kept;
}

Replay& Replays::open(Core& core, mcp::Session& session, std::string request) {
  return keep(session, std::make_unique<Replay>(core, session, ++last_, std::move(request)));
}

Resumable& Replays::open_standing(Core& core, mcp::Session& session) {
  return keep(session, std::make_unique<Standing>(core, session, ++last_));
}

Replays::Place Replays::find(const mcp::Session& session, std::string_view last_event_id) const {
  const std::size_t dash = last_event_id.find('-');
  const auto own = by_session_.find(&session);
  if (dash == std::string_view::npos || own == by_session_.end()) return {nullptr, 0};
  const auto number = base::parse_decimal<std::uint64_t>(last_event_id.substr(0, dash));
  const auto event = base::parse_decimal<std::uint64_t>(last_event_id.substr(dash + 1));
  if (!number || !event) return {nullptr, 0};
  for (const auto& replay : own->second)
    if (replay->number() == *number) return {replay.get(), *event};
  return {nullptr, 0};
}

void Replays::drop_heard() {
  for (auto& [session, own] : by_session_) {
    std::erase_if(own, [](const auto& stream) { return stream->is_spare(); });
    for (const auto& stream : own) stream->let_go();
  }
}

void Replays::sweep(base::Microseconds now) {
  for (auto& [session, own] : by_session_) {
    std::erase_if(own, [now](const auto& stream) { return stream->is_over(now); });
    for (const auto& stream : own) stream->age(now);
  }
  std::erase_if(by_session_, [](const auto& entry) { return entry.second.empty(); });
}

}  // namespace clawql::engine::line
