// A stream that is the client's session (handshake era): newline JSON, and the event stream of HTTP+SSE. What the
// client sends is handed to the line one message after the other, and everything for it goes out here: answers, what
// belongs to calls, and what belongs to none. The session begins with initialize on it and ends with it.
#pragma once

#include <deque>

#include "engine/line/batch.hpp"
#include "engine/line/exchange.hpp"

namespace clawql::engine::line {

class Conversation : public Exchange, protected Caller, private mcp::MessageStream {
 public:
  void drain() override { check_later(); }

 protected:
  using Exchange::Exchange;
  // A client that does not read its answers is not heard either.
  static constexpr std::size_t kUnreadAnswers = 1U << 20;

  // Appends the message as this transport frames it.
  virtual void frame(const mcp::Spliced& message, std::string& out) const = 0;
  // Nothing more is taken of the client: when nothing is under way any more, the stream ends.
  virtual bool is_ending() const { return core_.draining; }
  virtual bool is_idle() const { return session_ == nullptr || session_->in_flight() == 0; }
  virtual void go_on() {}  // at the end of a turn that does not end it

  mcp::Session* session() const { return session_; }  // from initialize to the end
  bool is_over() const { return closed_ || over_; }   // no further message is heard or told
  bool write(const mcp::Spliced& message);            // false: there is no room
  void end();                                         // the stream, and the session with it

  // Exchange
  void check() override;
  void vanished() override { leave_session(); }
  // Caller
  bool notify(const mcp::Spliced& notification) override { return write(notification); }
  bool respond(const mcp::Spliced& response, int http_status) override;
  void withdraw() override;
  void accepted() override {}
  void welcome(mcp::Session& session) override;
  void serve(mcp::Client& client) override { count_for(client); }
  mcp::Asker& batch(std::size_t responses) override;

 private:
  // mcp::MessageStream
  bool send(std::string_view message) override { return write(mcp::Spliced(message)); }
  void close() override;
  void leave_session();

  mcp::Session* session_ = nullptr;
  std::deque<Batch> batches_;  // the newest at the back; complete ones go from the front
  bool cut_ = false;           // an answer could not be told: nothing more is written
  bool over_ = false;
};

}  // namespace clawql::engine::line
