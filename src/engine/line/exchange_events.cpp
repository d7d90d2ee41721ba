#include "engine/line/exchange_events.hpp"

#include <utility>

#include "engine/mcp/replies.hpp"
#include "http/sse.hpp"

namespace clawql::engine::line {

EventsExchange::EventsExchange(Line& line, Core& core, ExchangeStore& store, ipc::EngineChannel& channel,
                               ipc::StreamId stream, const ipc::Open& open)
    : Exchange(line, core, store, channel, stream, open), acceptable_(open.accepts_event_stream) {
  if (const auto field = open.field(ipc::RequestField::session_id)) session_field_ = std::string(*field);
  if (const auto field = open.field(ipc::RequestField::protocol_version)) version_field_ = std::string(*field);
  if (const auto field = open.field(ipc::RequestField::last_event_id)) last_event_field_ = std::string(*field);
}

EventsExchange::~EventsExchange() {
  if (replay_ != nullptr) replay_->detach();
}

void EventsExchange::on_end() {
  if (closed_ || session_ != nullptr || replay_ != nullptr) return;
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
  if (last_event_field_)
    if (const auto place = core_.replays.find(**session, *last_event_field_); place.replay != nullptr)
      return resume(**session, place);
  if ((*session)->streams() >= core_.limits.streams_session) return refuse(base::Reason::too_many_requests);
  session_ = *session;
  count_for(*session_);
  send_head({.status = 200, .content_type = ipc::ContentType::event_stream, .content_length = {}, .fields = {}});
  session_->attach(*this);
  for (const mcp::ListKind kind : mcp::kAnnounced)
    if (session_->unsent.has(kind) && send(mcp::list_changed(kind))) session_->unsent.remove(kind);
}

// A GET may go on with the stream of a POST: what it missed, what still comes, and nothing else.
void EventsExchange::resume(const mcp::Session& session, Replays::Place place) {
  count_for(session);
  send_head({.status = 200, .content_type = ipc::ContentType::event_stream, .content_length = {}, .fields = {}});
  replay_ = place.replay;
  replay_->attach(*this, place.event);
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
  replay_ = nullptr;
  reset(base::Reason::overloaded);
}

void EventsExchange::ended() {
  replay_ = nullptr;
  finish();
}

bool EventsExchange::send(std::string_view message) {
  if (closed_ || !has_room(message.size())) return false;
  core_.scratch.clear();
  http::append_sse(core_.scratch, {.event = "message", .id = {}, .data = message});
  send_data(core_.scratch);
  return true;
}

void EventsExchange::keep_alive() {
  if (session_ != nullptr || replay_ != nullptr) send_comment();
}

void EventsExchange::detach() {
  if (session_ == nullptr) return;
  session_->detach(*this);
  session_->touch(core_.loop.now());
  session_ = nullptr;
}

void EventsExchange::close() {
  detach();
  finish();
}

void EventsExchange::drain() {
  if (session_ != nullptr) close();
}

void EventsExchange::vanished() {
  if (replay_ != nullptr) std::exchange(replay_, nullptr)->detach();
  detach();
}

}  // namespace clawql::engine::line
