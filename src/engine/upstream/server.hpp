// A server behind us, whatever it is (a stdio process, the built-in one, later HTTP): a name, a state, what it offers,
// and calls. It owns the conversation with its peer: its own ids and progress tokens, the handshake, paging, restarts.
// What comes from it is hostile and was parsed once, whole, before anybody here sees it. Lives on the loop of the shard
// that owns it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/refusal.hpp"
#include "engine/upstream/offer.hpp"
#include "json/document.hpp"

namespace clawql::engine::upstream {

// Of a server's calls; never reused by this server object.
using CallId = std::uint64_t;

// A client's request as it came in, and what must differ on its way to the server. All views point into `text`, which
// is borrowed for the call to Server::call alone; every byte outside the slices goes upstream as it is (P6).
struct OutgoingRequest {
  std::string_view text;  // the whole JSON-RPC message
  std::string_view id;    // raw value of "id"; replaced by the server's own
  std::optional<std::string_view>
      progress_token;  // raw value of params._meta.progressToken; replaced by the server's own
  std::vector<std::pair<std::string_view, std::string>> edits;  // further slices, e.g. params.name without its prefix
  json::Value params{};          // of `text`, as it was parsed; absent where it came from another shard
  bool wants_log = false;        // modern: params._meta names a log level (else the server may tell it nothing)
  bool as_task = false;          // tools/call that asks for a task (2025-11-25)
  std::uint64_t generation = 0;  // of the one process that may see it: that has the task in question; 0: any
  bool modern = false;           // it carries the claim of 2026-07-28 in params._meta; else it is of the handshake era
  std::string principal;         // who calls ("uid:1000", "loopback"): the built-in server keeps data apart by it
};

// Where a call's answers go. Exactly one of on_response and on_failure ends it; nothing is called after that, nor after
// Server::cancel.
class CallSink {
 public:
  // The whole response message; "id" in it is the server's own and must be replaced by the client's. The document ends
  // with the call.
  virtual void on_response(const json::Document& message) = 0;
  // The same of a server of our own, whose answer needs no second look. `own_id`: the raw value of "id" in `text`.
  virtual void on_own_response(std::string_view text, std::string_view own_id, bool is_error);
  // A notification that belongs to this call: notifications/progress (the token in it is the server's own, to be
  // replaced), or notifications/message when this was the only call in flight.
  virtual void on_notification(const json::Document& message) = 0;
  virtual void on_failure(const base::Refusal& refusal) = 0;
  // The server asked for a client feature ("sampling", "elicitation" or "roots") that it was not offered, while this
  // was the only call in flight; it was told that there is none. The call goes on, and mostly ends in an error.
  virtual void on_request_refused(std::string_view /*feature*/) {}

 protected:
  ~CallSink() = default;
};

enum class State : std::uint8_t { stopped, starting, ready, failed };
std::string_view to_string(State state);

struct Description {  // for `clawql status`
  std::string name;
  std::string kind;  // "stdio" | "built-in"
  State state = State::stopped;
  std::string reason;                                         // of `failed`, or of the last exit
  std::vector<std::string> last_stderr;                       // escaped lines, newest last; at most 5 here
  std::string server_name, server_version, protocol_version;  // from its handshake; hostile text
  Features features;                                          // of offer()
  std::size_t tools = 0, resources = 0, prompts = 0, calls_in_flight = 0;
  std::uint64_t calls = 0, starts = 0, protocol_errors = 0;
  std::vector<std::string>
      not_offered;  // features that a shared server is not offered: "sampling", "elicitation", "roots"
};

class Server {
 public:
  class Observer {
   public:
    virtual void on_offer_changed(Server& server) = 0;  // offer() is another one now (also: empty, because it failed)
    virtual void on_settled(Server& server) = 0;        // left `starting`: ready or failed
    // A notification that belongs to no call: notifications/message (to the gateway's log where no single client can be
    // meant), notifications/resources/updated, notifications/tasks/status, notifications/elicitation/complete,
    // notifications/cancelled of a request that the server made itself, and notifications/progress and
    // notifications/message that name a task in `_meta`. Nothing else comes here.
    virtual void on_notification(Server& server, const json::Document& message) = 0;
    // A request that only a client can answer (sampling/createMessage, elicitation/create, roots/list), from a server
    // that was offered it. The answer goes back by send(), under the same raw id.
    virtual void on_request(Server& server, const json::Document& message) = 0;

   protected:
    ~Observer() = default;
  };
  virtual ~Server() = default;

  virtual const std::string& name() const = 0;
  virtual const std::string& prefix() const = 0;  // "files__" or ""
  virtual State state() const = 0;
  // True while a list should still wait for this server: it is starting and started less than 5 s ago.
  virtual bool worth_waiting_for() const = 0;
  // Never null. Empty before it was ready for the first time and when it failed; while it restarts after a crash the
  // lists stay, so that the next call finds its tool and waits.
  virtual std::shared_ptr<const Offer> offer() const = 0;
  virtual Description describe() const = 0;
  // Of the process behind it: another number for each start, greater than before, and never that of another server.
  // What one process knows (a task) the next does not. 0: there was none yet, or the server is none.
  virtual std::uint64_t generation() const { return 0; }

  // Sends the request; a lazy or stopped server is started first and the request waits within the call's time limit.
  // The sink may be called from within. nullopt when it was (the call is over already).
  virtual std::optional<CallId> call(const OutgoingRequest& request, CallSink& sink) = 0;
  // The caller no longer wants the answer: notifications/cancelled goes upstream with our id, a late answer is dropped.
  virtual void cancel(CallId call, std::string_view reason) = 0;
  // The log level that the server is asked for (least severe over all sessions); sent when it declared `logging`.
  virtual void set_log_level(std::string_view level) = 0;
  // Somebody wants to hear when this resource changes, or nobody does any more. Kept over restarts.
  virtual void subscribe(std::string_view uri) = 0;
  virtual void unsubscribe(std::string_view uri) = 0;
  // A whole message of a client: the answer to a request of the server's (its raw id is in it already), or a
  // notification (notifications/roots/list_changed, notifications/progress). Dropped when the server does not run.
  virtual void send(std::string_view message) = 0;
  // Somebody wants its list: a lazy server that was never started is started now. Does nothing in every other state.
  virtual void wake() {}
};

}  // namespace clawql::engine::upstream
