#include "engine/line/exchange_sse.hpp"

#include <chrono>
#include <utility>

#include "base/check.hpp"
#include "http/sse.hpp"

namespace clawql::engine::line {

using base::Reason;

// ---- GET /sse

SseExchange::SseExchange(Line& line, Core& core, ExchangeStore& store, ipc::EngineChannel& channel,
                         ipc::StreamId stream, const ipc::Open& open)
    : Conversation(line, core, store, channel, stream, open),
      opened_(core.loop.now()),
      acceptable_(open.accepts_event_stream) {}

SseExchange::~SseExchange() {
  if (id_) core_.old_streams.erase(*id_);
}

void SseExchange::on_end() {
  if (closed_ || id_) return;
  const auto refuse = [&](Reason reason) {
    line_.count_refusal(who_, nullptr, reason, "stream", {});
    send_refusal(reason);
  };
  if (core_.draining) return refuse(Reason::draining);
  if (!acceptable_) return refuse(Reason::not_acceptable);
  const auto id = mcp::SessionId::make(core_.number);
  if (!id) {
    core_.log.error("session.failed", {{"why", id.error().message}});
    return refuse(Reason::internal);
  }
  id_ = *id;
  core_.old_streams.emplace(*id_, this);
  send_head({.status = 200, .content_type = ipc::ContentType::event_stream, .content_length = {}, .fields = {}});
  const std::string place = "/message?sessionId=" + id_->text();
  core_.scratch.clear();
  http::append_sse(core_.scratch, {.event = "endpoint", .id = {}, .data = place});
  send_data(core_.scratch);
}

// Besides the sign of life: who never begins a session is not kept for ever.
void SseExchange::keep_alive() {
  if (!id_ || is_over()) return;
  const base::Microseconds limit = std::chrono::seconds(core_.limits.session_idle_seconds);
  if (session() == nullptr && core_.loop.now() - opened_ > limit) return end();
  send_comment();
}

SseExchange* SseExchange::find(const Core& core, std::string_view id, const IdentifiedRequest& who) {
  const auto wanted = mcp::SessionId::parse(id);
  if (!wanted) return nullptr;
  const auto found = core.old_streams.find(*wanted);
  if (found == core.old_streams.end()) return nullptr;
  SseExchange& stream = *found->second;
  return stream.is_over() || &stream.who_.principal() != &who.principal() ? nullptr : &stream;
}

void SseExchange::hear(const IdentifiedRequest& who, std::string_view text, MessageExchange& post) {
  if (channel_.buffered(stream_) >= kUnreadAnswers) {
    line_.count_refusal(who, session(), Reason::overloaded, "message", {});
    return post.refuse(base::facts(Reason::overloaded).http_status, base::refusal_body(Reason::overloaded));
  }
  const Carriage carriage{.lines = true,
                          .session = session(),
                          .session_id = {},
                          .protocol_version = {},
                          .headers = nullptr,
                          .handshake_only = true};
  post_ = &post;
  line_.take(who, carriage, text, *this);
  post_ = nullptr;
  if (!post.is_answered()) post.accept();
}

void SseExchange::frame(const mcp::Spliced& message, std::string& out) const {
  std::string text;
  message.append_to(text);
  http::append_sse(out, {.event = "message", .id = {}, .data = text});
}

// What is refused at once with a status of HTTP (too much in flight, say) is the answer of the POST, so that its client
// sees it as what it is; the stream then says nothing of it.
bool SseExchange::respond(const mcp::Spliced& response, int http_status) {
  if (post_ == nullptr || post_->is_answered() || http_status < 400)
    return Conversation::respond(response, http_status);
  std::string body;
  response.append_to(body);
  post_->refuse(http_status, body);
  return true;
}

void SseExchange::refuse(Reason reason, std::string_view body) {
  respond(mcp::Spliced(body), base::facts(reason).http_status);
}

mcp::Client& SseExchange::modern_client() {
  CLAWQL_CHECK(false);
  std::unreachable();
}

// ---- POST /message

MessageExchange::MessageExchange(Line& line, Core& core, ExchangeStore& store, ipc::EngineChannel& channel,
                                 ipc::StreamId stream, const ipc::Open& open)
    : BodyExchange(line, core, store, channel, stream, open),
      place_(open.field(ipc::RequestField::session_id).value_or(std::string_view())) {}

void MessageExchange::take_body(std::string_view body) {
  if (SseExchange* const stream = SseExchange::find(core_, place_, who_)) return stream->hear(who_, body, *this);
  line_.count_refusal(who_, nullptr, Reason::session_unknown, "message", {});
  send_refusal(Reason::session_unknown);
}

void MessageExchange::accept() {
  answered_ = true;
  send_all({.status = 202, .content_type = ipc::ContentType::text, .content_length = {}, .fields = {}}, "Accepted");
}

void MessageExchange::refuse(int http_status, std::string_view body) {
  answered_ = true;
  ipc::Head head{.status = static_cast<std::uint16_t>(http_status),
                 .content_type = ipc::ContentType::json,
                 .content_length = {},
                 .fields = {}};
  if (http_status == 429 || http_status == 503) head.fields.emplace_back(ipc::ResponseField::retry_after, "1");
  send_all(std::move(head), body);
}

}  // namespace clawql::engine::line
