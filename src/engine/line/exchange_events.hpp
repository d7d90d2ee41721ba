// GET /mcp: an event stream for messages that belong to no request, or one that goes on where another connection ended.
// It ends with the client, the session or the gateway.
#pragma once

#include "engine/line/exchange.hpp"

namespace clawql::engine::line {

class EventsExchange final : public Exchange, private Resumable::Sink {
 public:
  EventsExchange(Line& line, Core& core, ExchangeStore& store, ipc::EngineChannel& channel, ipc::StreamId stream,
                 const ipc::Open& open);
  ~EventsExchange() override;
  void drain() override;
  void keep_alive() override;

 private:
  void on_body(std::string_view) override {}
  void on_end() override;
  void vanished() override;
  // Resumable::Sink
  bool deliver(std::string_view events) override;
  void cut_off() override;
  void ended() override;

  void begin(mcp::Session& session, Resumable& stream, std::uint64_t event);

  std::optional<std::string> session_field_, version_field_, last_event_field_;
  bool acceptable_;
  Resumable* events_ = nullptr;  // what goes out here: the session's own, or the stream of a POST that goes on
};

}  // namespace clawql::engine::line
