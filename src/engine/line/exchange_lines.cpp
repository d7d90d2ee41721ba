#include "engine/line/exchange_lines.hpp"

#include <utility>

#include "engine/mcp/replies.hpp"

namespace clawql::engine::line {
namespace {

constexpr std::uint32_t kBodyWindow = 256U << 10;

}  // namespace

LinesExchange::LinesExchange(Line& line, Core& core, ExchangeStore& store, ipc::EngineChannel& channel,
                             ipc::StreamId stream, const ipc::Open& open)
    : Conversation(line, core, store, channel, stream, open) {
  send_head({.status = 200, .content_type = ipc::ContentType::none, .content_length = {}, .fields = {}});
  if (!open.first_body.empty()) on_body(open.first_body);
  check_later();
}

bool LinesExchange::is_idle() const {
  return Conversation::is_idle() && (!modern_client_ || modern_client_->in_flight() == 0);
}

void LinesExchange::go_on() {
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
  line_.count_refusal(who_, session(), base::Reason::body_too_large, "message", {});
  refuse(base::Reason::body_too_large, base::refusal_body(base::Reason::body_too_large));
  return true;
}

void LinesExchange::take_line(std::string_view line) {
  if (line.find_first_not_of(" \t\r") == std::string_view::npos) return;
  const Carriage carriage{
      .lines = true, .session = session(), .session_id = {}, .protocol_version = {}, .headers = nullptr};
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

void LinesExchange::frame(const mcp::Spliced& message, std::string& out) const {
  message.append_to(out);
  out += '\n';
}

void LinesExchange::refuse(base::Reason /*reason*/, std::string_view body) {
  respond(mcp::Spliced(body), 200);
}

mcp::Client& LinesExchange::modern_client() {
  if (!modern_client_) modern_client_.emplace(core_, who_.principal());
  return *modern_client_;
}

void LinesExchange::vanished() {
  if (modern_client_) line_.drop_requests(*modern_client_);
  Conversation::vanished();
}

}  // namespace clawql::engine::line
