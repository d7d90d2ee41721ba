#include "engine/line/exchange_operator.hpp"

#include <fmt/format.h>

#include <utility>

#include "engine/line/status.hpp"

namespace clawql::engine::line {
namespace {

constexpr std::string_view kServers = "/admin/servers/";

// The form of a key of mcpServers (DECISIONS, "Servers behind us").
bool is_server_name(std::string_view text) {
  constexpr std::string_view kAllowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
  return !text.empty() && text.size() <= 32 && text.find_first_not_of(kAllowed) == std::string_view::npos;
}

struct Operation {
  std::string_view word, argument;
};

// The supervisor takes these alone: reload, status, start NAME, restart NAME.
std::optional<Operation> operation_of(ipc::Method method, std::string_view target) {
  if (method == ipc::Method::get && target == "/admin/status") return Operation{"status", {}};
  if (method != ipc::Method::post) return std::nullopt;
  if (target == "/admin/reload") return Operation{"reload", {}};
  if (!target.starts_with(kServers)) return std::nullopt;
  target.remove_prefix(kServers.size());
  for (const std::string_view word : {"start", "restart"}) {
    if (!target.ends_with(word) || target.size() < word.size() + 2) continue;
    const std::string_view name = target.substr(0, target.size() - word.size() - 1);
    if (target[name.size()] == '/' && is_server_name(name)) return Operation{word, name};
  }
  return std::nullopt;
}

}  // namespace

OperatorExchange::OperatorExchange(Line& line, Core& core, ExchangeStore& store, AdminDesk& desk,
                                   ipc::EngineChannel& channel, ipc::StreamId stream, const ipc::Open& open)
    : Exchange(line, core, store, channel, stream, open),
      desk_(desk),
      route_(open.route),
      method_(open.method),
      target_(open.field(ipc::RequestField::target).value_or(std::string_view{})) {}

void OperatorExchange::on_end() {
  if (closed_ || std::exchange(asked_, true)) return;
  // What exists once is shard 0's; an honest door asks nobody else.
  if (core_.number != 0) return send_refusal(base::Reason::route_unknown);
  switch (route_) {
    case ipc::Route::readyz: return ready();
    case ipc::Route::metrics: return metrics();
    case ipc::Route::admin: return admin();
    case ipc::Route::mcp:
    case ipc::Route::sse:
    case ipc::Route::message:
    case ipc::Route::lines: return send_refusal(base::Reason::route_unknown);
  }
}

void OperatorExchange::send_json(std::uint16_t status, std::string_view body) {
  send_all({.status = status, .content_type = ipc::ContentType::json, .content_length = {}, .fields = {}}, body);
}

// Ready once every server that starts with us has settled or had its time: a failed one does not hold up the rest.
void OperatorExchange::ready() {
  if (core_.draining) return send_json(503, R"({"status":"draining"})");
  if (core_.drifted) return send_json(503, R"({"status":"drift"})");
  if (core_.handshake_view.worth_waiting()) return send_json(503, R"({"status":"starting"})");
  send_json(200, R"({"status":"ok"})");
}

void OperatorExchange::metrics() {
  core_.metrics.in_flight.set(static_cast<std::int64_t>(core_.common.in_flight.load(std::memory_order_relaxed)));
  core_.metrics.buffered_bytes.set(static_cast<std::int64_t>(core_.buffers.total()));
  const std::string text = core_.metrics.registry.text();
  send_all({.status = 200, .content_type = ipc::ContentType::metrics, .content_length = {}, .fields = {}}, text);
}

void OperatorExchange::admin() {
  const std::string_view kind = core_.auditor.listener_kind(who_.listener());
  const auto operation = operation_of(method_, target_);
  if (kind != "admin" || !operation) {  // the door checks it too: a taken door must not be enough
    const base::Reason reason = operation ? base::Reason::listener_not_served : base::Reason::route_unknown;
    line_.count_refusal(who_, nullptr, reason, "admin", target_);
    return send_refusal(reason);
  }
  is_status_ = operation->word == "status";
  if (!is_status_) core_.auditor.admin(who_, operation->word, operation->argument);
  token_ = desk_.ask(operation->word, operation->argument, *this);
}

// The supervisor's text is JSON that it made itself.
void OperatorExchange::on_admin_answer(const ipc::AdminAnswer& answer) {
  token_ = 0;
  if (closed_) return;
  const std::string_view text = answer.text.empty() ? std::string_view("null") : std::string_view(answer.text);
  const std::uint16_t status = answer.ok ? 200 : 409;
  if (!is_status_) return send_json(status, text);
  send_json(status, fmt::format(R"({{"supervisor":{},"engine":{}}})", text, status_json(core_)));
}

void OperatorExchange::on_admin_silence() {
  token_ = 0;
  if (!closed_) send_refusal(base::Reason::internal);
}

void OperatorExchange::vanished() {
  if (token_ != 0) desk_.forget(std::exchange(token_, 0));
}

}  // namespace clawql::engine::line
