// DELETE /mcp: the client ends its session.
#pragma once

#include <optional>

#include "engine/line/exchange.hpp"

namespace clawql::engine::line {

class DeleteExchange final : public Exchange {
 public:
  DeleteExchange(Line& line, Core& core, ExchangeStore& store, ipc::EngineChannel& channel, ipc::StreamId stream,
                 const ipc::Open& open)
      : Exchange(line, core, store, channel, stream, open) {
    if (const auto field = open.field(ipc::RequestField::session_id)) session_field_ = std::string(*field);
    if (const auto field = open.field(ipc::RequestField::protocol_version)) version_field_ = std::string(*field);
  }

 private:
  void on_body(std::string_view) override {}
  void on_end() override {
    if (closed_) return;
    const Carriage carriage{.lines = false,
                            .session = nullptr,
                            .session_id = session_field_,
                            .protocol_version = version_field_,
                            .headers = nullptr};
    const auto session = line_.find_session(who_, carriage);
    if (!session) return send_refusal(session.error());
    line_.end_session(**session, "session.deleted");
    send_all({.status = 200, .content_type = ipc::ContentType::none, .content_length = 0, .fields = {}}, {});
  }
  void vanished() override {}

  std::optional<std::string> session_field_, version_field_;
};

}  // namespace clawql::engine::line
