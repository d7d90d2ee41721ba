// Newline-delimited JSON on the Unix socket: the connection is the session, each line a message (or a batch). It ends
// when the client has half-closed and every answer is written.
#pragma once

#include <deque>
#include <memory>

#include "engine/line/batch.hpp"
#include "engine/line/exchange.hpp"

namespace clawql::engine::line {

class LinesExchange final : public Exchange, private Caller, private mcp::MessageStream {
 public:
  LinesExchange(Line& line, Core& core, ExchangeStore& store, ipc::EngineChannel& channel, ipc::StreamId stream,
                const ipc::Open& open);
  void drain() override;

 private:
  // ipc::EngineStreamHandler
  void on_body(std::string_view bytes) override;
  void on_end() override;
  void on_taken(std::size_t buffered) override;
  void check() override;
  void vanished() override;
  // Caller
  bool notify(const mcp::Spliced& notification) override;
  bool respond(const mcp::Spliced& response, int http_status) override;
  void withdraw() override;
  void accepted() override {}
  void refuse(base::Reason reason, std::string_view body) override;
  void welcome(mcp::Session& session) override;
  void serve(mcp::Client& client) override { count_for(client); }
  mcp::Client& modern_client() override;
  mcp::Asker& batch(std::size_t responses) override;
  // mcp::MessageStream
  bool send(std::string_view message) override;
  void close() override;

  void take_line(std::string_view line);
  bool write_line(const mcp::Spliced& message);
  void leave_session();
  bool too_long(std::size_t bytes);

  std::string rest_;                 // the beginning of a line whose end has not come
  mcp::Session* session_ = nullptr;  // from initialize to the end
  std::optional<ModernClient> modern_client_;
  std::deque<Batch> batches_;  // the newest at the back; complete ones go from the front
  bool half_closed_ = false;   // the client sends no more
  bool refused_ = false;       // a line was too long: nothing after it is read
  bool cut_ = false;           // an answer could not be told: nothing more is written
};

}  // namespace clawql::engine::line
