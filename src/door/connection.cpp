#include "door/connection.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

namespace clawql::door {
namespace {

using base::Reason;
using std::chrono::seconds;

constexpr std::size_t kWaitingInput = 16U << 10;  // of pipelined requests, DECISIONS "Connections"
constexpr std::size_t kKeptCapacity = 4U << 10;   // what an idle connection's buffers may keep

http::HeadLimits head_limits(const base::Limits& limits) {
  http::HeadLimits result;
  result.head_bytes = static_cast<std::size_t>(limits.head);
  return result;
}

}  // namespace

void Connection::empty(std::string& buffer) {
  if (buffer.capacity() > kKeptCapacity)
    std::string().swap(buffer);
  else
    buffer.clear();
}

Connection::Connection(Client& client)
    : client_(client), around_(client.surroundings()), parser_(head_limits(around_.snapshot->limits)) {
  client_.set_deadline(seconds(around_.snapshot->limits.header_seconds));
}

Connection::~Connection() = default;

// ---- input

void Connection::received(std::string_view bytes) {
  if (in_.empty()) {
    const std::size_t used = take(bytes);
    if (client_.closed()) return;
    // What the head's places point into must outlive this call.
    if (phase_ != Phase::over) in_.assign(bytes.substr(used));
  } else {
    in_.append(bytes);
    take_waiting_input();
  }
  watch_input();
}

void Connection::take_waiting_input() {
  const std::size_t used = take(in_);
  if (client_.closed()) return;
  if (used == in_.size())
    empty(in_);
  else
    in_.erase(0, used);
}

// Reads on unless enough waits already.
void Connection::watch_input() {
  if (client_.closed() || phase_ == Phase::over) return;
  // What is left of its input is no request, and no more comes.
  if (phase_ == Phase::head && client_.sends_no_more() && !is_stuffed()) return end_connection();
  // Requests that wait their turn count as well: a stream of events may keep them waiting for ever.
  client_.admission().holds(client_, head_.size() + body_.size() + in_.size());
  if (client_.closed()) return;
  const bool full = phase_ != Phase::head && (in_.size() >= kWaitingInput || body_.size() >= ipc::kStreamCredit);
  const bool wanted = phase_ != Phase::waiting && !full && !is_stuffed();
  if (wanted && client_.stream().paused()) client_.stream().resume();
  if (!wanted) client_.stream().pause();
}

std::size_t Connection::take(std::string_view input) {
  std::size_t used = 0;
  while (!client_.closed()) {
    if (phase_ == Phase::over || drops_input_) return input.size();
    if (is_stuffed()) break;
    const std::string_view rest = input.substr(used);
    std::size_t step = 0;
    switch (phase_) {
      case Phase::head: step = take_head(rest); break;
      case Phase::gathering: step = gather(rest); break;
      case Phase::answering: step = forward(rest); break;
      case Phase::waiting:
      case Phase::over: break;
    }
    used += step;
    if (step == 0) break;
  }
  return used;
}

std::size_t Connection::take_head(std::string_view input) {
  if (input.empty()) return 0;
  auto parsed = parser_.parse(input);
  if (const auto* refusal = std::get_if<base::Refusal>(&parsed)) {
    refuse({refusal->reason, refusal->for_operator});
    return input.size();
  }
  auto* const done = std::get_if<http::HeadParser::Done>(&parsed);
  if (done == nullptr) {
    // The time for a head runs from its first byte.
    if (!std::exchange(head_begun_, true)) client_.set_deadline(seconds(around_.snapshot->limits.header_seconds));
    return 0;
  }
  parser_.reset();
  const std::size_t consumed = done->consumed;
  judge(done->head, input.substr(0, consumed));
  return consumed;
}

// ---- the line: guard, route, body, hand-over

void Connection::judge(const http::RequestHead& head, std::string_view head_bytes) {
  const std::shared_ptr<const Snapshot> snapshot = around_.snapshot;  // one configuration for the whole request
  is_head_method_ = head.method == http::Method::head;
  keep_alive_ = head.keep_alive;
  drops_input_ = head.framing.kind != http::Framing::Kind::none;  // until somebody wants the body
  const auto guarded = guard(head, *snapshot->allow);
  if (!guarded) return refuse(guarded.error());
  listed_origin_.assign(guarded->listed_origin());
  auto routed = route(*guarded, client_.listener(), snapshot->limits, head_bytes);
  if (!routed) return refuse(routed.error());
  head_bytes_ = head_bytes;
  if (auto* const admitted = std::get_if<AdmittedRequest>(&*routed)) return admit(std::move(*admitted));
  answer_here(*routed);
}

void Connection::admit(AdmittedRequest request) {
  request_.emplace(std::move(request));
  const std::uint64_t limit = around_.snapshot->limits.request_body;
  decoder_ = request_->takes_body() ? http::BodyDecoder(request_->framing(), limit) : http::BodyDecoder();
  drops_input_ = drops_input_ && !request_->takes_body();
  if (decoder_.done()) return start({});
  phase_ = Phase::gathering;
  continue_due_ = request_->expects_continue();
  pace_body();
  // The client waits for a sign of the engine before it sends anything.
  if (continue_due_) start({});
}

// Collects what an open may carry, without a copy where the body comes in one piece.
std::size_t Connection::gather(std::string_view input) {
  std::size_t used = 0;
  std::string_view only;
  while (!decoder_.done() && used < input.size()) {
    const std::size_t room = ipc::kStreamCredit - body_.size() - only.size();
    if (room == 0) break;
    const auto step = decoder_.decode(input.substr(used, room));
    if (!step) {
      refuse({step.error().reason, step.error().for_operator});
      return input.size();
    }
    used += step->consumed;
    if (step->body.empty()) continue;
    body_bytes_ += step->body.size();
    if (body_.empty() && only.empty()) {
      only = step->body;
      continue;
    }
    body_.append(only).append(step->body);
    only = {};
  }
  const bool full = body_.size() + only.size() >= ipc::kStreamCredit;
  if (decoder_.done() || full)
    start(body_.empty() ? only : std::string_view(body_.append(only)));
  else
    keep_for_later(only);
  return used;
}

// The read that brought the head ends: what is needed later is copied.
void Connection::keep_for_later(std::string_view body) {
  if (head_.empty()) head_.assign(head_bytes_);
  head_bytes_ = head_;
  if (!body.empty() && body.data() != body_.data()) body_.append(body);
  client_.admission().holds(client_, head_.size() + body_.size());
}

void Connection::start(std::string_view first_body) {
  if (link_ == nullptr) link_ = &around_.handover.pick(*request_, head_bytes_);
  if (!link_->up()) return refuse({Reason::engine_unavailable});
  if (!link_->has_room()) {
    phase_ = Phase::waiting;
    keep_for_later(first_body);
    if (client_.closed()) return;
    link_->wait(*this);
    body_paced_ = false;
    client_.set_deadline(seconds(around_.snapshot->limits.header_seconds));
    return;
  }
  // An event stream is a connection that listens, not work under way: it has limits of its own.
  if (!request_->is_event_stream())
    if (const auto reason = client_.admission().begin_request(client_)) return refuse({*reason});
  open(first_body);
}

void Connection::open(std::string_view first_body) {
  ipc::Open& open = around_.open;
  request_->describe(open, head_bytes_);
  open.listener = client_.listener().id;
  open.peer = client_.peer();
  open.has_body = request_->takes_body() && request_->framing().kind != http::Framing::Kind::none;
  open.first_body = first_body;
  phase_ = Phase::answering;
  request_ended_ = !open.has_body;
  call_.open(*link_, open, *this);
  head_bytes_ = {};
  empty(head_);
  empty(body_);
  client_.admission().holds(client_, 0);
  if (decoder_.done())
    body_is_complete();
  else
    pace_body();
}

void Connection::on_chance() {
  const std::string kept = std::exchange(body_, {});
  start(kept);
  if (client_.closed()) return;
  take_waiting_input();
  watch_input();
}

void Connection::body_is_complete() {
  continue_due_ = body_paced_ = false;
  client_.clear_deadline();
  client_.admission().served(client_);
  if (!request_ended_) call_.end();
  request_ended_ = true;
  hung_up();
}

// ---- the rest of a large body, under credit

// What one read brought goes over as one piece, however small its chunks are.
std::size_t Connection::forward(std::string_view input) {
  if (decoder_.done()) return 0;
  const std::size_t room = ipc::kStreamCredit - std::min<std::size_t>(body_.size(), ipc::kStreamCredit);
  const std::string_view wanted = input.substr(0, room);
  std::size_t used = 0;
  std::string_view only;
  std::string joined;
  while (!decoder_.done() && used < wanted.size()) {
    const auto step = decoder_.decode(wanted.substr(used));
    if (!step) {
      refuse({step.error().reason, step.error().for_operator});
      return input.size();
    }
    used += step->consumed;
    if (step->body.empty()) continue;
    if (only.empty()) {
      only = step->body;
      continue;
    }
    if (joined.empty()) joined.assign(only);
    joined.append(step->body);
  }
  const std::string_view piece = joined.empty() ? only : std::string_view(joined);
  if (!piece.empty()) {
    continue_due_ = false;
    body_bytes_ += piece.size();
    send_body(piece);
  }
  if (decoder_.done() && body_.empty())
    body_is_complete();
  else if (!client_.closed())
    pace_body();
  return client_.closed() ? input.size() : used;
}

void Connection::send_body(std::string_view piece) {
  const auto now = body_.empty() ? static_cast<std::size_t>(std::min<std::uint64_t>(body_credit_, piece.size())) : 0;
  if (now > 0) call_.body(piece.substr(0, now));
  body_credit_ -= now;
  body_.append(piece.substr(now));
  client_.admission().holds(client_, body_.size());
}

void Connection::on_body_credit(std::uint32_t bytes) {
  if (request_ended_ || drops_input_) return;
  body_credit_ += bytes;
  if (std::exchange(continue_due_, false)) client_.stream().write(kContinue);
  const std::string kept = std::exchange(body_, {});
  send_body(kept);
  if (client_.closed()) return;
  if (decoder_.done() && body_.empty())
    body_is_complete();
  else
    pace_body();
  take_waiting_input();
  watch_input();
}

// The client's time for the body runs while it may send: not while the engine has no room for more.
void Connection::pace_body() {
  const bool engine_is_full = body_.size() >= ipc::kStreamCredit || (continue_due_ && phase_ == Phase::answering);
  if (decoder_.done() || engine_is_full) {
    body_paced_ = false;
    return client_.clear_deadline();
  }
  if (std::exchange(body_paced_, true)) return;
  body_since_ = around_.loop.now();
  body_bytes_ = 0;
  client_.set_deadline(seconds(around_.snapshot->limits.body_seconds));
}

}  // namespace clawql::door
