#include "engine/line/exchange.hpp"

#include "http/sse.hpp"

namespace clawql::engine::line {

Exchange::Exchange(Line& line, Core& core, ExchangeStore& store, ipc::EngineChannel& channel, ipc::StreamId stream,
                   const ipc::Open& open)
    : line_(line),
      core_(core),
      store_(store),
      channel_(channel),
      stream_(stream),
      who_(IdentifiedRequest::identify(core.principals, open)),
      buffer_{core, StreamBuffer(core.buffers)} {}

void Exchange::retire() {
  if (closed_) return;
  closed_ = true;
  buffer_.stream.set(0);
  store_.retire(*this);
}

void Exchange::on_cancel() {
  if (closed_) return;
  vanished();
  retire();
}

void Exchange::abort(base::Reason reason) {
  if (closed_) return;
  vanished();
  reset(reason);
}

void Exchange::on_taken(std::size_t buffered) {
  if (closed_) return;
  buffer_.stream.set(buffered);
  if (finishing_ && buffered == 0) finish();
}

void Exchange::send_data(std::string_view bytes) {
  channel_.data(stream_, bytes);
  buffer_.stream.set(channel_.buffered(stream_));
}

void Exchange::send_comment() {
  if (closed_) return;
  core_.scratch.clear();
  http::append_sse_comment(core_.scratch);
  if (has_room(core_.scratch.size())) send_data(core_.scratch);
}

void Exchange::finish() {
  if (closed_) return;
  // The channel forgets a stream that has ended. One whose bytes still wait stays ours, so that they are counted.
  finishing_ = true;
  if (channel_.buffered(stream_) > 0) return;
  channel_.end(stream_);
  retire();
}

void Exchange::reset(base::Reason reason) {
  if (closed_) return;
  channel_.reset(stream_, reason);
  retire();
}

void Exchange::send_all(ipc::Head head, std::string_view body) {
  head.content_length = body.size();
  send_head(head);
  if (!body.empty()) send_data(body);
  finish();
}

void Exchange::send_refusal(base::Reason reason, std::string_view body) {
  ipc::Head head{.status = static_cast<std::uint16_t>(base::facts(reason).http_status),
                 .content_type = ipc::ContentType::json,
                 .content_length = {},
                 .fields = {}};
  if (head.status == 503) head.fields.emplace_back(ipc::ResponseField::retry_after, "1");
  send_all(std::move(head), body);
}

void Exchange::grant_up_to(std::uint32_t window) {
  if (closed_ || granted_ >= window) return;
  channel_.grant_body(stream_, window - granted_);
  granted_ = window;
}

void Exchange::body_came(std::size_t bytes) {
  granted_ = bytes >= granted_ ? 0 : granted_ - static_cast<std::uint32_t>(bytes);
}

void Exchange::check_later() {
  store_.check_later(*this);
}

// ---- the store

void ExchangeStore::retire(Exchange& exchange) {
  const std::size_t index = exchange.index_;
  retired_.push_back(std::move(live_[index]));
  if (index + 1 < live_.size()) {
    live_[index] = std::move(live_.back());
    live_[index]->index_ = index;
  }
  live_.pop_back();
  loop_.at_turn_end(*this);
}

void ExchangeStore::check_later(Exchange& exchange) {
  to_check_.push_back(&exchange);
  loop_.at_turn_end(*this);
}

void ExchangeStore::on_turn_end() {
  // What is retired meanwhile stays until here, so that these pointers hold.
  checking_.clear();
  checking_.swap(to_check_);
  for (Exchange* exchange : checking_)
    if (!exchange->closed_) exchange->check();
  // A check may have asked for another one: that comes in the next turn, and what was retired stays until then.
  if (to_check_.empty())
    retired_.clear();
  else
    loop_.at_turn_end(*this);
}

void ExchangeStore::for_each(const std::function<void(Exchange&)>& visit) {
  std::vector<Exchange*> all;
  all.reserve(live_.size());
  for (const auto& exchange : live_) all.push_back(exchange.get());
  for (Exchange* exchange : all)
    if (!exchange->closed_) visit(*exchange);
}

}  // namespace clawql::engine::line
