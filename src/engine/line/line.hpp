// The way of a request through the engine, one step after the other (DESIGN section 4). The transports (exchange_*.hpp)
// hand in what came, whole, and carry out what is answered; nothing here knows HTTP or sockets.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "engine/line/core.hpp"
#include "engine/line/steps.hpp"
#include "engine/mcp/asker.hpp"

namespace clawql::engine::line {

// Who handed a message in.
class Caller : public mcp::Asker {
 public:
  // Notifications and responses: 202 over HTTP, silence over newline JSON.
  virtual void accepted() = 0;
  // Refused as a whole, with the reason's HTTP status and this JSON-RPC error.
  virtual void refuse(base::Reason reason, std::string_view body) = 0;
  // A session was opened for this caller; the response to initialize follows.
  virtual void welcome(mcp::Session& session) = 0;
  // Before the first request of `client` that may wait.
  virtual void serve(mcp::Client& client) = 0;
  // What this caller keeps for its requests of 2026-07-28, made when it is asked for first. Its requests are stopped
  // when the caller goes.
  virtual mcp::Client& modern_client() = 0;
  // The same when it was made already; else null.
  virtual mcp::Client* known_modern_client() { return nullptr; }
  // The asker of each of `responses` requests of a batch: their answers leave as one array.
  virtual mcp::Asker& batch(std::size_t responses) = 0;

 protected:
  ~Caller() = default;
};

class Line {
 public:
  explicit Line(Core& core) : core_(core) {}

  // One message (or batch), as it came. `text` ends with the call.
  void take(const IdentifiedRequest& who, const Carriage& carriage, std::string_view text, Caller& caller);
  // GET and DELETE: the session that is meant, or a refusal, already counted and recorded.
  std::expected<mcp::Session*, base::Reason> find_session(const IdentifiedRequest& who, const Carriage& carriage);
  // A refusal of the transport itself (Accept, body size): counts and records it.
  void count_refusal(const IdentifiedRequest& who, const mcp::Client* client, base::Reason reason,
                     std::string_view subtype, std::string_view detail);

  // Servers have settled: what waits for them takes the line again. With `all`, whoever still starts is left out.
  void wake_waiting(bool all);
  bool has_waiting() const { return !waiting_.empty(); }
  void forget_waiting(const mcp::Pending& pending);

  // Asks every server for the least severe level that a session wants.
  void apply_log_level();
  // The same after another shard's sessions changed what they want.
  void apply_common_log_level();

  // Ends a session: its calls are cancelled and answered with an error, its streams end.
  void end_session(mcp::Session& session, std::string_view subtype);
  // The client is gone, and its requests with it (2026-07-28: "closing the stream cancels"). Nobody is answered.
  void drop_requests(mcp::Client& client);
  // Every call of this server fails: it is taken away.
  void fail_calls_of(const upstream::Server& server);

 private:
  // line.cpp
  void take_message(const IdentifiedRequest& who, const Carriage& carriage, const mcp::Message& message,
                    Caller& caller);
  void admitted(const McpRequest& request, Caller& caller);
  void answer(const McpRequest& request, mcp::Asker& asker, bool may_wait);
  void list(const McpRequest& request, mcp::ListKind kind, mcp::Asker& asker, bool may_wait);
  void call(const McpRequest& request, mcp::Asker& asker, bool may_wait);
  void list_tasks(const McpRequest& request, mcp::Asker& asker);
  void set_level(const McpRequest& request, mcp::Asker& asker);
  void subscribe(const McpRequest& request, mcp::Asker& asker, bool may_wait);
  void unsubscribe(const McpRequest& request, mcp::Asker& asker);
  void notified(const McpRequest& request);
  void cancelled(mcp::Client& client, const mcp::Message& message);
  void acknowledge(const McpRequest& request, mcp::Asker& asker);
  void refuse_whole(const IdentifiedRequest& who, const mcp::Client* client, Caller& caller, base::Reason reason,
                    std::string_view raw_id, std::string_view detail);
  void refuse(const McpRequest& request, mcp::Asker& asker, base::Reason reason, std::string_view detail = {});
  // line_sessions.cpp: the handshake era's beginning and end
  void initialize(const IdentifiedRequest& who, const Carriage& carriage, const mcp::Message& message, Caller& caller);
  void without_session(const IdentifiedRequest& who, const Carriage& carriage, const mcp::Message& message,
                       base::Reason reason, Caller& caller);
  // line_batch.cpp
  void take_batch(const IdentifiedRequest& who, const Carriage& carriage, json::Value array, Caller& caller);
  // line_modern.cpp: 2026-07-28
  void take_modern(const IdentifiedRequest& who, const Carriage& carriage, const mcp::Message& message, Caller& caller);
  void without_modern(const IdentifiedRequest& who, const Carriage& carriage, const mcp::Message& message,
                      Caller& caller);
  bool cancels_without_claim(const Carriage& carriage, const mcp::Message& message, Caller& caller);
  bool claims_by_header_alone(const IdentifiedRequest& who, const Carriage& carriage, const mcp::Message& message,
                              Caller& caller);
  void refuse_claim(const IdentifiedRequest& who, const mcp::Message& message, const mcp::Claim::Fault& fault,
                    Caller& caller);
  void listen(const McpRequest& request, mcp::Asker& asker, bool may_wait);
  // line_waiting.cpp: until servers that start have settled
  void wait(const McpRequest& request, mcp::Asker& asker);
  void take_again(mcp::Pending& pending);

  Core& core_;
  std::vector<mcp::Pending*> waiting_;  // owned by their clients; of class Waiting
};

}  // namespace clawql::engine::line
