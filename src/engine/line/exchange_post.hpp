// POST /mcp: one message in; JSON or an event stream out, as the first message of the answer decides.
#pragma once

#include <optional>

#include "engine/line/batch.hpp"
#include "engine/line/exchange_body.hpp"
#include "engine/line/replay.hpp"

namespace clawql::engine::line {

class PostExchange final : public BodyExchange, private Caller, private Resumable::Sink {
 public:
  PostExchange(Line& line, Core& core, ExchangeStore& store, ipc::EngineChannel& channel, ipc::StreamId stream,
               const ipc::Open& open);
  ~PostExchange() override;
  void keep_alive() override;

 private:
  void on_half_closed() override;
  void take_body(std::string_view body) override;
  void vanished() override;
  // Caller
  bool notify(const mcp::Spliced& notification) override;
  bool respond(const mcp::Spliced& response, int http_status) override;
  void withdraw() override;
  void listens() override { listens_ = true; }
  void accepted() override;
  void refuse(base::Reason reason, std::string_view body) override;
  void welcome(mcp::Session& session) override;
  void serve(mcp::Client& client) override;
  mcp::Client& modern_client() override;
  mcp::Asker& batch(std::size_t responses) override;

  // Resumable::Sink
  bool deliver(std::string_view events) override;
  void cut_off() override;
  void ended() override;

  void begin_events();
  void begin_replay();
  bool may_resume() const;
  void on_quiet();

  std::optional<std::string> session_field_, version_field_;
  mcp::RoutingHeaders headers_;
  std::string new_session_;        // of an initialize that was answered
  mcp::Client* client_ = nullptr;  // while a request of it may be waiting
  std::optional<ModernClient> modern_client_;
  std::optional<Batch> batch_;
  bool acceptable_;
  bool listens_ = false;
  bool events_ = false;       // the answer is an event stream that has begun
  Replay* replay_ = nullptr;  // that it can be resumed by; the request's asker since then
  std::optional<io::Deadline> quiet_;
};

}  // namespace clawql::engine::line
