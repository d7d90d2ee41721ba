#include "engine/line/exchange_lines.hpp"

#include <utility>

#include "engine/mcp/replies.hpp"

namespace clawql::engine::line {
namespace {

constexpr std::uint32_t kBodyWindow = 256U << 10;
// A client that does not read its answers is not read either.
constexpr std::size_t kUnreadAnswers = 1U << 20;

}  // namespace

LinesExchange::LinesExchange(Line& line, Core& core, ExchangeStore& store, ipc::EngineChannel& channel,
                             ipc::StreamId stream, const ipc::Open& open)
    : Exchange(line, core, store, channel, stream, open) {
  send_head({.status = 200, .content_type = ipc::ContentType::none, .content_length = {}, .fields = {}});
  if (!open.first_body.empty()) on_body(open.first_body);
  check_later();
}

void LinesExchange::check() {
  if (cut_) return abort(base::Reason::overloaded);
  while (!batches_.empty() && batches_.front().is_complete()) batches_.pop_front();
  const bool idle =
      (session_ == nullptr || session_->in_flight() == 0) && (!modern_client_ || modern_client_->in_flight() == 0);
  if ((half_closed_ || refused_ || core_.draining) && idle) {
    leave_session();
    return finish();
  }
  if (!refused_ && !half_closed_ && channel_.buffered(stream_) < kUnreadAnswers) grant_up_to(kBodyWindow);
}

void LinesExchange::on_taken(std::size_t buffered) {
  Exchange::on_taken(buffered);
  if (!closed_ && buffered < kUnreadAnswers) check_later();
}

void LinesExchange::on_body(std::string_view bytes) {
  body_came(bytes.size());
  check_later();
  while (!closed_ && !refused_ && !bytes.empty()) {
    const std::size_t end = bytes.find('\n');
    if (end == std::string_view::npos) {
      if (!too_long(rest_.size() + bytes.size())) rest_.append(bytes);
      return;
    }
    const std::string_view piece = bytes.substr(0, end);
    bytes.remove_prefix(end + 1);
    if (too_long(rest_.size() + piece.size())) return;
    if (rest_.empty()) {
      take_line(piece);
      continue;
    }
    std::string whole = std::exchange(rest_, {});
    whole.append(piece);
    take_line(whole);
  }
}

bool LinesExchange::too_long(std::size_t bytes) {
  if (bytes <= core_.limits.request_body) return false;
  refused_ = true;
  std::string().swap(rest_);
  line_.count_refusal(who_, session_, base::Reason::body_too_large, "message", {});
  refuse(base::Reason::body_too_large, base::refusal_body(base::Reason::body_too_large));
  return true;
}

void LinesExchange::take_line(std::string_view line) {
  if (line.find_first_not_of(" \t\r") == std::string_view::npos) return;
  const Carriage carriage{
      .lines = true, .session = session_, .session_id = {}, .protocol_version = {}, .headers = nullptr};
  line_.take(who_, carriage, line, *this);
}

// The last line may lack its line end.
void LinesExchange::on_end() {
  if (closed_) return;
  half_closed_ = true;
  if (!rest_.empty() && !refused_) take_line(std::exchange(rest_, {}));
  if (modern_client_) line_.drop_requests(*modern_client_);
  check_later();
}

bool LinesExchange::write_line(const mcp::Spliced& message) {
  if (closed_ || cut_ || !has_room(message.size() + 1)) return false;
  core_.scratch.clear();
  message.append_to(core_.scratch);
  core_.scratch += '\n';
  send_data(core_.scratch);
  return true;
}

bool LinesExchange::notify(const mcp::Spliced& notification) {
  return write_line(notification);
}
bool LinesExchange::send(std::string_view message) {
  return write_line(mcp::Spliced(message));
}

bool LinesExchange::respond(const mcp::Spliced& response, int /*http_status*/) {
  if (half_closed_ || refused_ || !batches_.empty() || core_.draining) check_later();
  if (closed_ || cut_) return false;
  if (write_line(response)) return true;
  core_.metrics.calls_over_buffer.add();
  line_.count_refusal(who_, session_, base::Reason::overloaded, "answer", {});
  // An answer that cannot be told ends the connection: it must not look like silence. Not here: a session is not
  // ended from within its own call.
  cut_ = true;
  check_later();
  return false;
}

void LinesExchange::withdraw() {
  if (half_closed_ || refused_ || !batches_.empty() || core_.draining) check_later();
}

void LinesExchange::refuse(base::Reason /*reason*/, std::string_view body) {
  respond(mcp::Spliced(body), 200);
}

mcp::Client& LinesExchange::modern_client() {
  if (!modern_client_) modern_client_.emplace(core_, who_.principal());
  return *modern_client_;
}

void LinesExchange::welcome(mcp::Session& session) {
  session_ = &session;
  session.attach(*this);
}

mcp::Asker& LinesExchange::batch(std::size_t responses) {
  return batches_.emplace_back(static_cast<mcp::Asker&>(*this), responses);
}

// The connection was the session. What is in flight runs on without a listener, and the session ends with it.
void LinesExchange::leave_session() {
  if (session_ == nullptr) return;
  mcp::Session& session = *std::exchange(session_, nullptr);
  session.detach(*this);
  session.lose_asker(*this);
  for (const Batch& batch : batches_) session.lose_asker(batch);
  session.orphaned = true;
  if (session.in_flight() == 0) line_.end_session(session, "session.closed");
}

void LinesExchange::vanished() {
  if (modern_client_) line_.drop_requests(*modern_client_);
  leave_session();
}

// The session ended under the connection (idle, gateway stops).
void LinesExchange::close() {
  if (session_ != nullptr) std::exchange(session_, nullptr)->detach(*this);
  finish();
}

void LinesExchange::drain() {
  check_later();
}

}  // namespace clawql::engine::line
