// Newline-delimited JSON on the Unix socket: the connection is the session, each line a message (or a batch). It ends
// when the client has half-closed and every answer is written.
#pragma once

#include <optional>
#include <string>

#include "engine/line/conversation.hpp"

namespace clawql::engine::line {

class LinesExchange final : public Conversation {
 public:
  LinesExchange(Line& line, Core& core, ExchangeStore& store, ipc::EngineChannel& channel, ipc::StreamId stream,
                const ipc::Open& open);

 private:
  // ipc::EngineStreamHandler
  void on_body(std::string_view bytes) override;
  void on_end() override;
  void on_taken(std::size_t buffered) override;
  // Conversation
  void frame(const mcp::Spliced& message, std::string& out) const override;
  bool is_ending() const override { return half_closed_ || refused_ || core_.draining; }
  bool is_idle() const override;
  void go_on() override;
  void vanished() override;
  // Caller
  void refuse(base::Reason reason, std::string_view body) override;
  mcp::Client& modern_client() override;
  mcp::Client* known_modern_client() override { return modern_client_ ? &*modern_client_ : nullptr; }

  void take_line(std::string_view line);
  bool too_long(std::size_t bytes);

  std::string rest_;  // the beginning of a line whose end has not come
  std::optional<ModernClient> modern_client_;
  bool half_closed_ = false;  // the client sends no more
  bool refused_ = false;      // a line was too long: nothing after it is read
};

}  // namespace clawql::engine::line
