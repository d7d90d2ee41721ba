#include "engine/line/exchange_post.hpp"

#include <algorithm>
#include <utility>

#include "http/sse.hpp"

namespace clawql::engine::line {
namespace {

constexpr base::Milliseconds kOpenAfter{500};

std::optional<std::string> copy_of(std::optional<std::string_view> field) {
  if (!field) return std::nullopt;
  return std::string(*field);
}

}  // namespace

PostExchange::PostExchange(Line& line, Core& core, ExchangeStore& store, ipc::EngineChannel& channel,
                           ipc::StreamId stream, const ipc::Open& open)
    : BodyExchange(line, core, store, channel, stream, open),
      session_field_(copy_of(open.field(ipc::RequestField::session_id))),
      version_field_(copy_of(open.field(ipc::RequestField::protocol_version))),
      headers_{.method = copy_of(open.field(ipc::RequestField::mcp_method)),
               .name = copy_of(open.field(ipc::RequestField::mcp_name)),
               .params = {}},
      acceptable_(open.accepts_json && open.accepts_event_stream) {
  for (const auto& [field, value] : open.fields)
    if (field == ipc::RequestField::mcp_param) headers_.params.emplace_back(value);
}

PostExchange::~PostExchange() {
  if (replay_ != nullptr) replay_->detach();
}

void PostExchange::take_body(std::string_view body) {
  if (!acceptable_) {
    line_.count_refusal(who_, nullptr, base::Reason::not_acceptable, "message", {});
    return send_refusal(base::Reason::not_acceptable);
  }
  const Carriage carriage{.lines = false,
                          .session = nullptr,
                          .session_id = session_field_,
                          .protocol_version = version_field_,
                          .headers = &headers_};
  line_.take(who_, carriage, body, *this);
  if (!closed_ && may_resume() && client_->version() >= mcp::Version::v2025_11_25) {
    quiet_.emplace(core_.loop, [this] { on_quiet(); });
    quiet_->set(kOpenAfter);
  }
}

// A session of its own whose answer is one stream: batches end with their connection.
bool PostExchange::may_resume() const {
  return client_ != nullptr && client_->session() != nullptr && !batch_ && client_->in_flight() > 0;
}

// Nothing came for a while. At first the stream is opened, with an event that the client can come back with; later it
// ends, and the client comes back for the rest (2025-11-25, "the server MAY close the connection").
void PostExchange::on_quiet() {
  if (closed_ || is_finishing()) return;
  if (!events_) return begin_events();
  if (replay_ == nullptr) return;
  std::exchange(replay_, nullptr)->detach();
  finish();
}

// A client of 2026-07-28 takes its call back by closing the stream. An older one may only have nothing more to send.
void PostExchange::on_half_closed() {
  if (closed_ || !modern_client_ || modern_client_->in_flight() == 0) return;
  line_.drop_requests(*modern_client_);
  withdraw();
}

void PostExchange::vanished() {
  if (client_ == nullptr) return;
  // Since 2026-07-28 closing the stream cancels. Before, the call runs on ("disconnection is not cancellation"): a
  // stream that has begun can be resumed, an answer that nobody has an event of is dropped and counted.
  if (modern_client_) return line_.drop_requests(*modern_client_);
  if (replay_ != nullptr) return std::exchange(replay_, nullptr)->detach();
  client_->lose_asker(*this);
  if (batch_) client_->lose_asker(*batch_);
}

void PostExchange::begin_events() {
  if (std::exchange(events_, true)) return;
  send_head({.status = 200,
             .content_type = ipc::ContentType::event_stream,
             .content_length = {},
             .fields = {},
             .listens = listens_});
  if (may_resume()) begin_replay();
}

void PostExchange::begin_replay() {
  mcp::Session& session = *client_->session();
  const auto waits_here = [this](const auto& pending) { return pending->asker() == this; };
  const auto own = std::ranges::find_if(session.pending(), waits_here);
  if (own == session.pending().end()) return;
  replay_ = &core_.replays.open(core_, session, (*own)->id());
  session.change_asker(*this, replay_);
  replay_->attach(*this, 0);
  if (session.version() < mcp::Version::v2025_11_25) return;
  replay_->prime();
  if (!quiet_) quiet_.emplace(core_.loop, [this] { on_quiet(); });
  quiet_->set(std::chrono::seconds(core_.limits.event_stream_seconds));
}

bool PostExchange::deliver(std::string_view events) {
  if (closed_) return false;
  if (!has_room(events.size())) {
    cut_off();
    return false;
  }
  send_data(events);
  if (quiet_) quiet_->set(std::chrono::seconds(core_.limits.event_stream_seconds));
  return true;
}

// It may come back for what it missed.
void PostExchange::cut_off() {
  replay_ = nullptr;
  reset(base::Reason::overloaded);
}

void PostExchange::ended() {
  replay_ = nullptr;
  client_ = nullptr;
  finish();
}

void PostExchange::keep_alive() {
  if (events_) send_comment();
}

bool PostExchange::notify(const mcp::Spliced& notification) {
  if (closed_ || !has_room(notification.size())) return false;
  begin_events();
  if (replay_ != nullptr) return replay_->notify(notification);
  std::string message;
  notification.append_to(message);
  core_.scratch.clear();
  http::append_sse(core_.scratch, {.event = "message", .id = {}, .data = message});
  send_data(core_.scratch);
  return true;
}

bool PostExchange::respond(const mcp::Spliced& response, int http_status) {
  client_ = nullptr;
  if (closed_) return false;
  if (!has_room(response.size())) {
    core_.metrics.calls_over_buffer.add();
    line_.count_refusal(who_, nullptr, base::Reason::overloaded, "answer", {});
    reset(base::Reason::overloaded);
    return false;
  }
  if (events_) {
    std::string message;
    response.append_to(message);
    core_.scratch.clear();
    http::append_sse(core_.scratch, {.event = "message", .id = {}, .data = message});
    send_data(core_.scratch);
    finish();
    return true;
  }
  ipc::Head head{.status = static_cast<std::uint16_t>(http_status),
                 .content_type = ipc::ContentType::json,
                 .content_length = {},
                 .fields = {}};
  if (!new_session_.empty()) head.fields.emplace_back(ipc::ResponseField::session_id, new_session_);
  if (http_status == 503) head.fields.emplace_back(ipc::ResponseField::retry_after, "1");
  core_.scratch.clear();
  response.append_to(core_.scratch);
  send_all(std::move(head), core_.scratch);
  return true;
}

// Nothing may be said of a request that was taken back, but HTTP wants an answer: an event stream that ends.
void PostExchange::withdraw() {
  client_ = nullptr;
  if (closed_) return;
  begin_events();
  finish();
}

void PostExchange::accepted() {
  if (closed_) return;
  send_head({.status = 202, .content_type = ipc::ContentType::none, .content_length = {}, .fields = {}});
  finish();
}

void PostExchange::refuse(base::Reason reason, std::string_view body) {
  if (!closed_) send_refusal(reason, body);
}

void PostExchange::welcome(mcp::Session& session) {
  new_session_ = session.id().text();
}

void PostExchange::serve(mcp::Client& client) {
  client_ = &client;
  count_for(client);
}

mcp::Client& PostExchange::modern_client() {
  if (!modern_client_) modern_client_.emplace(core_, who_.principal());
  return *modern_client_;
}

mcp::Asker& PostExchange::batch(std::size_t responses) {
  return batch_.emplace(static_cast<mcp::Asker&>(*this), responses);
}

}  // namespace clawql::engine::line
