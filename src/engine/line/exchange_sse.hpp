// HTTP+SSE, the transport of 2024-11-05 (S24 basic/transports): GET /sse is the session, and the event stream for
// everything that goes to the client; each message of the client is a POST to the place that the stream's first event
// names. That place is relative, never made from Host, and holds an id that nobody can guess; the id is of no use to
// another principal. 2026-07-28 is not spoken here.
#pragma once

#include <optional>
#include <string_view>

#include "engine/line/conversation.hpp"
#include "engine/line/exchange_body.hpp"

namespace clawql::engine::line {

class MessageExchange;

// GET /sse.
class SseExchange final : public Conversation {
 public:
  SseExchange(Line& line, Core& core, ExchangeStore& store, ipc::EngineChannel& channel, ipc::StreamId stream,
              const ipc::Open& open);
  ~SseExchange() override;
  void keep_alive() override;

  // Where the messages of `who` go. Null: no such stream, or another principal's. They cannot be told apart.
  static SseExchange* find(const Core& core, std::string_view id, const IdentifiedRequest& who);
  // One message. `post` is answered within the call: accepted, unless the message as a whole is refused or there is no
  // room for what it asks; answers go to the stream.
  void hear(const IdentifiedRequest& who, std::string_view text, MessageExchange& post);

 private:
  void on_body(std::string_view) override {}
  void on_end() override;
  // Conversation
  void frame(const mcp::Spliced& message, std::string& out) const override;
  // Caller
  bool respond(const mcp::Spliced& response, int http_status) override;
  void refuse(base::Reason reason, std::string_view body) override;
  mcp::Client& modern_client() override;  // never asked for: Carriage::handshake_only

  std::optional<mcp::SessionId> id_;  // of the place for messages; from the end of the request on
  base::Microseconds opened_;
  MessageExchange* post_ = nullptr;  // the one whose message is heard just now
  bool acceptable_;
};

// POST /message.
class MessageExchange final : public BodyExchange {
 public:
  MessageExchange(Line& line, Core& core, ExchangeStore& store, ipc::EngineChannel& channel, ipc::StreamId stream,
                  const ipc::Open& open);

  void accept();
  void refuse(int http_status, std::string_view body);
  bool is_answered() const { return answered_; }

 private:
  void take_body(std::string_view body) override;
  void vanished() override {}  // its message was heard, or never came

  std::string place_;  // the id in its query
  bool answered_ = false;
};

}  // namespace clawql::engine::line
