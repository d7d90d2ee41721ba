// The second half of a Connection: answers, and how requests and connections end.
#include <chrono>
#include <utility>

#include "door/connection.hpp"

namespace clawql::door {
namespace {

using base::Reason;
using std::chrono::seconds;

// An event stream whose client has half-closed has nothing pending: it is given this long for what is on its way.
constexpr base::Milliseconds kHalfClosedStream{5000};
constexpr base::Milliseconds kPaceWindow{5000};  // over which the pace of a long body is measured

}  // namespace

// ---- the engine's answer

bool Connection::must_close() const {
  return !keep_alive_ || drops_input_ || !decoder_.done() || client_.sends_no_more() || around_.draining;
}

void Connection::on_head(const ipc::Head& head) {
  head_sent_ = true;
  closes_ = must_close();
  if (head.listens) client_.admission().end_request(client_);
  if (!decoder_.done()) {
    // The engine has seen enough: the rest of the body is not read as anything.
    drops_input_ = true;
    body_.clear();
    client_.clear_deadline();
  }
  chunked_ = append_engine_head(client_.stream().out(), around_, head, context(closes_));
  answer_left_ = head.content_length;
  client_.stream().flush_soon();
}

void Connection::on_data(std::string_view bytes) {
  if (bytes.empty()) return;
  std::string& out = client_.stream().out();
  if (chunked_) {
    http::append_chunk(out, bytes);
  } else {
    if (!answer_left_ || *answer_left_ < bytes.size()) return end_connection();  // more than it announced
    *answer_left_ -= bytes.size();
    out.append(bytes);
  }
  call_.received(bytes.size());
  client_.stream().flush_soon();
  client_.written();
}

void Connection::on_end() {
  call_.ended(request_ended_);
  if (answer_left_.value_or(0) > 0) return end_connection();  // less than it announced: the client must see that
  if (chunked_) client_.stream().write(http::kLastChunk);
  finish_answer();
}

void Connection::on_reset(Reason reason) {
  call_.ended(request_ended_);
  if (head_sent_) return end_connection();
  refuse({reason == Reason::engine_unavailable ? Reason::engine_lost : reason});
  if (client_.closed()) return;
  take_waiting_input();
  watch_input();
}

void Connection::finish_answer() {
  client_.admission().end_request(client_);
  // A stream may have promised to stay before the drain began.
  if (closes_ || around_.draining) return end_connection();
  begin_next();
  take_waiting_input();
  watch_input();
}

// ---- answers of the door's own

void Connection::answer_here(const Routed& routed) {
  client_.admission().served(client_);
  closes_ = must_close();
  std::string& out = client_.stream().out();
  if (const auto* preflight = std::get_if<PreflightAnswer>(&routed))
    append_preflight(out, around_, *preflight, context(closes_));
  else
    append_health(out, around_, context(closes_));
  client_.stream().flush_soon();
  client_.written();
  if (client_.closed()) return;
  if (closes_) return end_connection();
  begin_next();
}

void Connection::refuse(const Refused& refused) {
  client_.refuse_note(refused);
  closes_ = must_close() || base::facts(refused.reason).closes;
  call_.cancel();
  client_.admission().end_request(client_);
  if (head_sent_) return end_connection();  // in the middle of an answer there is no room for another
  append_refusal(client_.stream().out(), around_, refused, context(closes_));
  client_.stream().flush_soon();
  client_.written();
  if (client_.closed()) return;
  if (closes_) return end_connection();
  begin_next();
}

// ---- endings

void Connection::reset_request() {
  request_.reset();
  decoder_ = http::BodyDecoder();
  listed_origin_.clear();
  head_bytes_ = {};
  empty(head_);
  empty(body_);
  if (link_ != nullptr) link_->forget(*this);
  link_ = nullptr;
  body_credit_ = 0;
  answer_left_.reset();
  is_head_method_ = head_begun_ = body_paced_ = drops_input_ = continue_due_ = request_ended_ = hang_up_told_ =
      head_sent_ = chunked_ = closes_ = false;
  keep_alive_ = true;
}

void Connection::begin_next() {
  reset_request();
  phase_ = Phase::head;
  client_.admission().holds(client_, 0);
  client_.admission().waits(client_);
  client_.set_deadline(seconds(around_.snapshot->limits.idle_connection_seconds));
}

// What was written leaves; an answer that is not complete is recognisably cut.
void Connection::end_connection() {
  call_.cancel();
  reset_request();
  phase_ = Phase::over;
  empty(in_);
  client_.linger();
}

void Connection::client_gone() {
  call_.cancel();
  reset_request();
  phase_ = Phase::over;
}

void Connection::drained() {
  call_.client_took_all();
  if (!client_.stream().paused()) return;
  take_waiting_input();
  watch_input();
}

void Connection::half_closed() {
  switch (phase_) {
    case Phase::head:
    case Phase::gathering: return end_connection();  // half a request is none
    case Phase::waiting:
    case Phase::answering: break;
    case Phase::over: return;
  }
  if (!decoder_.done()) return end_connection();
  hung_up();
  if (request_->is_event_stream()) client_.set_deadline(kHalfClosedStream);
}

// The client may have left, or wait for its answer: only the engine knows what it means for this request.
void Connection::hung_up() {
  if (!client_.has_hung_up() || !call_.is_open() || !request_ended_) return;
  if (!std::exchange(hang_up_told_, true)) call_.half_closed();
}

void Connection::wind_up() {
  if (phase_ == Phase::head && in_.empty()) end_connection();
}

void Connection::expired() {
  switch (phase_) {
    case Phase::head:
      if (in_.empty()) return end_connection();  // an idle connection, or one that never spoke
      return refuse({Reason::http_header_timeout});
    case Phase::waiting: return refuse({Reason::overloaded});
    case Phase::answering:
      if (decoder_.done()) return end_connection();  // a half-closed event stream
      break;
    case Phase::gathering: break;
    case Phase::over: return;
  }
  // A large body may take longer while it keeps its pace: in every window anew, so that speed once shown buys no rest.
  const auto elapsed = std::chrono::duration_cast<seconds>(around_.loop.now() - body_since_).count();
  const std::uint64_t due = static_cast<std::uint64_t>(elapsed) * around_.snapshot->limits.body_bytes_per_second;
  if (body_bytes_ >= due) {
    body_since_ = around_.loop.now();
    body_bytes_ = 0;
    return client_.set_deadline(kPaceWindow);
  }
  refuse({Reason::http_body_timeout});
}

}  // namespace clawql::door
