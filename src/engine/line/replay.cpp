#include "engine/line/replay.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/decimal.hpp"
#include "engine/line/core.hpp"
#include "engine/mcp/replies.hpp"
#include "http/sse.hpp"

namespace clawql::engine::line {
namespace {

constexpr unsigned kRetryMilliseconds = 1000;
constexpr std::size_t kMostOfSession = 64;  // streams that are over and still kept

}  // namespace

Replay::Replay(Core& core, mcp::Session& session, std::uint64_t number, std::string request)
    : core_(core), number_(number), request_(std::move(request)), buffered_(session.buffered()), share_(core.buffers) {
  share_.belongs_to(buffered_);
}

Replay::~Replay() {
  if (sink_ != nullptr) sink_->ended();
}

std::string Replay::id_of(std::uint64_t event) const {
  return fmt::format("{}-{}", number_, event);
}

void Replay::prime() {
  std::string text;
  http::append_sse_retry(text, kRetryMilliseconds);
  http::append_sse(text, {.event = {}, .id = id_of(0), .data = {}});
  if (sink_ != nullptr && !sink_->deliver(text)) sink_ = nullptr;
}

void Replay::attach(Sink& sink, std::uint64_t event) {
  if (Sink* const before = std::exchange(sink_, nullptr)) before->ended();
  std::string missed;
  for (const Event& each : events_)
    if (each.number > event) missed += each.text;
  sink_ = &sink;  // first: what is being heard is not let go of
  if (!missed.empty() && !sink.deliver(missed)) {
    sink_ = nullptr;
    return;
  }
  heard_ = true;
  if (finished_at_) std::exchange(sink_, nullptr)->ended();
}

// A client that does not read gives its place: it may come back for what is kept here.
bool Replay::make_room(std::size_t bytes) {
  const auto has_room = [&] { return core_.has_room_for_bytes(buffered_.get(), bytes); };
  if (!has_room() && sink_ != nullptr) std::exchange(sink_, nullptr)->cut_off();
  return has_room();
}

void Replay::keep(std::string_view data) {
  Event event{.number = ++last_, .text = {}};
  http::append_sse(event.text, {.event = "message", .id = id_of(event.number), .data = data});
  bytes_ += event.text.size();
  heard_ = sink_ != nullptr && sink_->deliver(event.text);
  if (!heard_) sink_ = nullptr;
  events_.push_back(std::move(event));
  forget_history();
  share_.set(bytes_);
}

// What was never heard stays; of the rest the newest.
void Replay::forget_history() {
  while (sink_ != nullptr && bytes_ > kHistory && events_.size() > 1) {
    bytes_ -= events_.front().text.size();
    events_.pop_front();
  }
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
  if (Sink* const sink = std::exchange(sink_, nullptr)) sink->ended();
}

bool Replay::is_over(base::Microseconds now) const {
  return finished_at_ && sink_ == nullptr && now - *finished_at_ > (heard_ ? kKeptHeard : kKeptUnheard);
}

// ---- all of them

Replay& Replays::open(Core& core, mcp::Session& session, std::string request) {
  auto& own = by_session_[&session];
  if (own.size() >= kMostOfSession)
    if (const auto oldest = std::ranges::find_if(own, &Replay::is_finished); oldest != own.end()) own.erase(oldest);
  return *own.emplace_back(std::make_unique<Replay>(core, session, ++last_, std::move(request)));
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
  for (auto& [session, own] : by_session_) std::erase_if(own, [](const auto& replay) { return replay->is_spare(); });
}

void Replays::sweep(base::Microseconds now) {
  for (auto& [session, own] : by_session_)
    std::erase_if(own, [now](const auto& replay) { return replay->is_over(now); });
  std::erase_if(by_session_, [](const auto& entry) { return entry.second.empty(); });
}

}  // namespace clawql::engine::line
