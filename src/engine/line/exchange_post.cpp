#include "engine/line/exchange_post.hpp"

#include <utility>

#include "http/sse.hpp"

namespace clawql::engine::line {
namespace {

constexpr std::uint32_t kBodyWindow = 256U << 10;

std::optional<std::string> copy_of(std::optional<std::string_view> field) {
  if (!field) return std::nullopt;
  return std::string(*field);
}

}  // namespace

PostExchange::PostExchange(Line& line, Core& core, ExchangeStore& store, ipc::EngineChannel& channel,
                           ipc::StreamId stream, const ipc::Open& open)
    : Exchange(line, core, store, channel, stream, open),
      body_(open.first_body),
      session_field_(copy_of(open.field(ipc::RequestField::session_id))),
      version_field_(copy_of(open.field(ipc::RequestField::protocol_version))),
      headers_{.method = copy_of(open.field(ipc::RequestField::mcp_method)),
               .name = copy_of(open.field(ipc::RequestField::mcp_name)),
               .params = {}},
      acceptable_(open.accepts_json && open.accepts_event_stream) {
  for (const auto& [field, value] : open.fields)
    if (field == ipc::RequestField::mcp_param) headers_.params.emplace_back(value);
  // Most bodies are here whole, and their end comes in the same turn: credit would be a frame for nothing.
  if (open.has_body) check_later();
}

// identify is done: grant body.
void PostExchange::check() {
  if (!complete_) grant_up_to(kBodyWindow);
}

bool PostExchange::too_large(std::size_t more) {
  if (body_.size() + more <= core_.limits.request_body) return false;
  line_.count_refusal(who_, nullptr, base::Reason::body_too_large, "message", {});
  complete_ = true;
  reset(base::Reason::body_too_large);  // the door answers and closes: the rest of the body is not read
  return true;
}

void PostExchange::on_body(std::string_view bytes) {
  if (closed_ || complete_ || too_large(bytes.size())) return;
  body_.append(bytes);
  body_came(bytes.size());
  grant_up_to(kBodyWindow);
}

void PostExchange::on_end() {
  if (closed_ || std::exchange(complete_, true)) return;
  if (!acceptable_) {
    line_.count_refusal(who_, nullptr, base::Reason::not_acceptable, "message", {});
    return send_refusal(base::Reason::not_acceptable);
  }
  if (too_large(0)) return;
  const Carriage carriage{.lines = false,
                          .session = nullptr,
                          .session_id = session_field_,
                          .protocol_version = version_field_,
                          .headers = &headers_};
  line_.take(who_, carriage, body_, *this);
  std::string().swap(body_);  // `= {}` would keep the memory for as long as the call runs
}

void PostExchange::vanished() {
  if (client_ == nullptr) return;
  // Since 2026-07-28 closing the stream cancels. Before, the call runs on ("disconnection is not cancellation"); there
  // is no resumption yet, so its answer is dropped and counted.
  if (modern_client_) return line_.drop_requests(*modern_client_);
  client_->lose_asker(*this);
  if (batch_) client_->lose_asker(*batch_);
}

void PostExchange::begin_events() {
  if (std::exchange(events_, true)) return;
  send_head({.status = 200, .content_type = ipc::ContentType::event_stream, .content_length = {}, .fields = {}});
}

void PostExchange::keep_alive() {
  if (events_) send_comment();
}

bool PostExchange::notify(const mcp::Spliced& notification) {
  if (closed_ || !has_room(notification.size())) return false;
  begin_events();
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
