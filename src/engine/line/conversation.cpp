#include "engine/line/conversation.hpp"

#include <utility>

namespace clawql::engine::line {

void Conversation::check() {
  if (cut_) return abort(base::Reason::overloaded);
  while (!batches_.empty() && batches_.front().is_complete()) batches_.pop_front();
  if (is_ending() && is_idle()) return end();
  go_on();
}

void Conversation::end() {
  leave_session();
  over_ = true;
  finish();
}

bool Conversation::write(const mcp::Spliced& message) {
  if (closed_ || cut_ || !has_room(message.size() + 1)) return false;
  core_.scratch.clear();
  frame(message, core_.scratch);
  send_data(core_.scratch);
  return true;
}

bool Conversation::respond(const mcp::Spliced& response, int /*http_status*/) {
  if (is_ending() || !batches_.empty()) check_later();
  if (closed_ || cut_) return false;
  if (write(response)) return true;
  core_.metrics.calls_over_buffer.add();
  line_.count_refusal(who_, session_, base::Reason::overloaded, "answer", {});
  // An answer that cannot be told ends the connection: it must not look like silence. Not here: a session is not
  // ended from within its own call.
  cut_ = over_ = true;
  check_later();
  return false;
}

void Conversation::withdraw() {
  if (is_ending() || !batches_.empty()) check_later();
}

void Conversation::welcome(mcp::Session& session) {
  session_ = &session;
  session.attach(*this);
}

mcp::Asker& Conversation::batch(std::size_t responses) {
  return batches_.emplace_back(static_cast<mcp::Asker&>(*this), responses);
}

// The connection was the session. What is in flight runs on without a listener, and the session ends with it.
void Conversation::leave_session() {
  if (session_ == nullptr) return;
  mcp::Session& session = *std::exchange(session_, nullptr);
  session.detach(*this);
  session.lose_asker(*this);
  for (const Batch& batch : batches_) session.lose_asker(batch);
  session.orphaned = true;
  if (session.in_flight() == 0) line_.end_session(session, "session.closed");
}

// The session ended under the connection (idle, gateway stops).
void Conversation::close() {
  if (session_ != nullptr) std::exchange(session_, nullptr)->detach(*this);
  over_ = true;
  finish();
}

}  // namespace clawql::engine::line
