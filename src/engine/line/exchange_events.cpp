#include "engine/line/exchange_events.hpp"

#include <utility>

#include "engine/mcp/replies.hpp"

namespace clawql::engine::line {

EventsExchange::EventsExchange(Line& line, Core& core, ExchangeStore& store, ipc::EngineChannel& channel,
                               ipc::StreamId stream, const ipc::Open& open)
    : Exchange(line, core, store, channel, stream, open), acceptable_(open.accepts_event_stream) {
  if (const auto field = open.field(ipc::RequestField::session_id)) session_field_ = std::string(*field);
  if (const auto field = open.field(ipc::RequestField::protocol_version)) version_field_ = std::string(*field);
  if (const auto field = open.field(ipc::RequestField::last_event_id)) last_event_field_ = std::string(*field);
}

EventsExchange::~EventsExchange() {
  if (events_ != nullptr) events_->detach();
}

void EventsExchange::on_end() {
  if (closed_ || events_ != nullptr) return;
  const auto refuse = [&](base::Reason reason) {
    line_.count_refusal(who_, nullptr, reason, "stream", {});
    send_refusal(reason);
  };
  if (core_.draining) return refuse(base::Reason::draining);
  if (!acceptable_) return refuse(base::Reason::not_acceptable);
  const Carriage carriage{.lines = false,
                          .session = nullptr,
                          .session_id = session_field_,
                          .protocol_version = version_field_,
                          .headers = nullptr};
  const auto session = line_.find_session(who_, carriage);
  if (!session) return send_refusal(session.error());
  mcp::Session& its = **session;
  const auto place = last_event_field_ ? core_.replays.find(its, *last_event_field_) : Replays::Place{nullptr, 0};
  if (place.replay != nullptr && !place.replay->is_standing()) return begin(its, *place.replay, place.event);
  const bool takes_over = place.replay != nullptr && place.replay->is_attached();
  if (!takes_over && its.streams() >= core_.limits.streams_session) return refuse(base::Reason::too_many_requests);
  if (place.replay != nullptr) {
    begin(its, *place.replay, place.event);
  } else {
    begin(its, core_.replays.open_standing(core_, its), 0);
    if (events_ != nullptr && its.version() >= mcp::Version::v2025_11_25) events_->prime();
  }
  for (const mcp::ListKind kind : mcp::kAnnounced)
    if (mcp::MessageStream* const stream = its.newest_stream(); stream != nullptr && its.unsent.has(kind))
      if (stream->send(mcp::list_changed(kind))) its.unsent.remove(kind);
}

// What was missed, what still comes, and nothing else.
void EventsExchange::begin(mcp::Session& session, Resumable& stream, std::uint64_t event) {
  count_for(session);
  send_head({.status = 200, .content_type = ipc::ContentType::event_stream, .content_length = {}, .fields = {}});
  events_ = &stream;
  stream.attach(*this, event);
}

bool EventsExchange::deliver(std::string_view events) {
  if (closed_) return false;
  if (!has_room(events.size())) {
    cut_off();
    return false;
  }
  send_data(events);
  return true;
}

// It may come back for what it missed.
void EventsExchange::cut_off() {
  events_ = nullptr;
  reset(base::Reason::overloaded);
}

void EventsExchange::ended() {
  events_ = nullptr;
  finish();
}

void EventsExchange::keep_alive() {
  if (events_ != nullptr) send_comment();
}

void EventsExchange::drain() {
  if (events_ == nullptr || !events_->is_standing()) return;
  std::exchange(events_, nullptr)->detach();
  finish();
}

void EventsExchange::vanished() {
  if (events_ != nullptr) std::exchange(events_, nullptr)->detach();
}

}  // namespace clawql::engine::line
