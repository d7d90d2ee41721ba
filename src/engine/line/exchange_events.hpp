// GET /mcp: an event stream for messages that belong to no request. It ends with the client, the session or the
// gateway.
#pragma once

#include "engine/line/exchange.hpp"

namespace clawql::engine::line {

class EventsExchange final : public Exchange, private mcp::MessageStream, private Replay::Sink {
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
  bool send(std::string_view message) override;
  void close() override;
  // Replay::Sink
  bool deliver(std::string_view events) override;
  void cut_off() override;
  void ended() override;

  void detach();
  void resume(const mcp::Session& session, Replays::Place place);

  std::optional<std::string> session_field_, version_field_, last_event_field_;
  bool acceptable_;
  mcp::Session* session_ = nullptr;
  Replay* replay_ = nullptr;  // the stream of a POST that goes on here
};

}  // namespace clawql::engine::line
