#include "engine/line/resumable.hpp"

#include <fmt/format.h>

#include <utility>

#include "engine/line/core.hpp"
#include "http/sse.hpp"

namespace clawql::engine::line {
namespace {

constexpr unsigned kRetryMilliseconds = 1000;

}  // namespace

Resumable::Resumable(Core& core, mcp::Session& session, std::uint64_t number)
    : core_(core), number_(number), buffered_(session.buffered()), share_(core.buffers) {
  share_.belongs_to(buffered_);
}

Resumable::~Resumable() {
  if (sink_ != nullptr) sink_->ended();
}

std::string Resumable::id_of(std::uint64_t event) const {
  return fmt::format("{}-{}", number_, event);
}

void Resumable::prime() {
  std::string text;
  http::append_sse_retry(text, kRetryMilliseconds);
  http::append_sse(text, {.event = {}, .id = id_of(0), .data = {}});
  if (sink_ != nullptr && !sink_->deliver(text)) detach();
}

void Resumable::attach(Sink& sink, std::uint64_t event) {
  end_connection();
  std::string missed;
  for (const Event& each : events_)
    if (each.number > event) missed += each.text;
  sink_ = &sink;  // first: what is being heard is not let go of
  heard_ = missed.empty();
  attached();
  if (!missed.empty() && !sink.deliver(missed)) return detach();
  heard_ = true;
}

void Resumable::detach() {
  if (std::exchange(sink_, nullptr) != nullptr) detached();
}

void Resumable::end_connection() {
  Sink* const sink = std::exchange(sink_, nullptr);
  if (sink == nullptr) return;
  detached();
  sink->ended();
}

// A client that does not read gives its place: it may come back for what is kept here.
bool Resumable::make_room(std::size_t bytes) {
  const auto has_room = [&] { return core_.has_room_for_bytes(buffered_.get(), bytes); };
  if (!has_room() && sink_ != nullptr) {
    std::exchange(sink_, nullptr)->cut_off();
    detached();
  }
  return has_room();
}

void Resumable::keep(std::string_view data) {
  Event event{.number = ++last_, .text = {}};
  http::append_sse(event.text, {.event = "message", .id = id_of(event.number), .data = data});
  bytes_ += event.text.size();
  heard_ = sink_ != nullptr && sink_->deliver(event.text);
  if (!heard_) detach();
  events_.push_back(std::move(event));
  forget_history();
  share_.set(bytes_);
}

// What was never heard stays; of the rest the newest.
void Resumable::forget_history() {
  while (sink_ != nullptr && bytes_ > kHistory && events_.size() > 1) {
    bytes_ -= events_.front().text.size();
    events_.pop_front();
  }
}

void Resumable::drop_events() {
  events_.clear();
  bytes_ = 0;
  share_.set(0);
}

}  // namespace clawql::engine::line
