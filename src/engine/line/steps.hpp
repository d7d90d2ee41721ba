// What each step of the line makes from what the step before made. None of these can be built by hand, so a step cannot
// be left out: a call that was not identified, admitted and allowed cannot be written down.
//
//   ipc::Open ──identify──► IdentifiedRequest ──admit──► McpRequest ──allow──► AllowedCall
#pragma once

#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/refusal.hpp"
#include "engine/identity/principal.hpp"
#include "engine/mcp/catalog.hpp"
#include "engine/mcp/claim.hpp"
#include "engine/mcp/message.hpp"
#include "engine/mcp/routing_headers.hpp"
#include "engine/mcp/session.hpp"
#include "engine/mcp/task_book.hpp"
#include "ipc/messages.hpp"

namespace clawql::engine::line {

// Who calls, by the kernel's word, and through which listener. Cheap to copy.
class IdentifiedRequest {
 public:
  static IdentifiedRequest identify(identity::Principals& principals, const ipc::Open& open);

  identity::KnownPrincipal& principal() const { return *principal_; }
  const ipc::Peer& peer() const { return peer_; }
  std::uint16_t listener() const { return listener_; }

 private:
  IdentifiedRequest(identity::KnownPrincipal& principal, const ipc::Peer& peer, std::uint16_t listener)
      : principal_(&principal), peer_(peer), listener_(listener) {}
  identity::KnownPrincipal* principal_;
  ipc::Peer peer_;
  std::uint16_t listener_;
};

// How the message came: what the transport itself says of its session.
struct Carriage {
  bool lines = false;                                // the connection is the session: newline JSON, or HTTP+SSE
  mcp::Session* session = nullptr;                   // of the connection; null before initialize. Lines only
  std::optional<std::string_view> session_id;        // HTTP only
  std::optional<std::string_view> protocol_version;  // HTTP only
  const mcp::RoutingHeaders* headers = nullptr;      // HTTP only
  bool handshake_only = false;                       // HTTP+SSE: 2026-07-28 is not spoken there
};

// A message of a client that may send it: in a session that is its sender's (handshake era), or with a claim of its own
// (2026-07-28), in a version that is spoken here.
class McpRequest {
 public:
  static std::expected<McpRequest, base::Reason> admit(const IdentifiedRequest& who, const mcp::Message& message,
                                                       const Carriage& carriage, const mcp::Sessions& sessions);
  // The session alone, where there is no message yet (GET, DELETE, a batch).
  static std::expected<mcp::Session*, base::Reason> find_session(const IdentifiedRequest& who, const Carriage& carriage,
                                                                 const mcp::Sessions& sessions);
  // Of 2026-07-28. `client`: what the caller keeps for its requests of that era.
  // `headers`: that repeat some of it; null on newline JSON.
  static McpRequest with_claim(const IdentifiedRequest& who, const mcp::Message& message, mcp::Client& client,
                               const mcp::Claim& claim, const mcp::RoutingHeaders* headers) {
    McpRequest request(who, message, client, &claim);
    request.headers_ = headers;
    return request;
  }

  const IdentifiedRequest& who() const { return *who_; }
  const mcp::Message& message() const { return *message_; }
  mcp::Client& client() const { return *client_; }
  bool is_modern() const { return claim_ != nullptr; }
  const mcp::Claim* claim() const { return claim_; }  // null in the handshake era
  const mcp::RoutingHeaders* headers() const { return headers_; }

 private:
  McpRequest(const IdentifiedRequest& who, const mcp::Message& message, mcp::Client& client, const mcp::Claim* claim)
      : who_(&who), message_(&message), client_(&client), claim_(claim) {}
  friend class Line;  // the elements of a batch, whose session was found once
  const IdentifiedRequest* who_;
  const mcp::Message* message_;
  mcp::Client* client_;
  const mcp::Claim* claim_;
  const mcp::RoutingHeaders* headers_ = nullptr;
};

// A request that policy let through to a server: what it names is in the catalogue (which holds what the operator's
// allow-lists allow), or a task that is the caller's. Everything else is refused.
class AllowedCall {
 public:
  // tools/call, prompts/get, resources/read and completion/complete: what they name is in the catalogue.
  // tasks/get, tasks/result and tasks/cancel: what they name is a task of the caller's.
  static std::expected<AllowedCall, base::Reason> allow(const McpRequest& request, mcp::TaskBook& tasks,
                                                        base::Microseconds now);

  const McpRequest& request() const { return *request_; }
  upstream::Server& server() const { return *server_; }
  // What is called, as the server knows it: a tool's or prompt's name, a URI; the tool that a task came from.
  std::string_view target() const { return target_; }
  std::string_view arguments_raw() const { return arguments_raw_; }                   // empty where there are none
  std::optional<std::string_view> progress_token() const { return progress_token_; }  // raw
  // The slice of the message that names the target, and what stands there upstream; empty where it stays.
  std::string_view name_raw() const { return name_raw_; }
  std::string_view original_raw() const { return task_ ? std::string_view(task_->upstream_raw) : original_raw_; }
  // The task that it is about; absent: none.
  const std::optional<mcp::Task>& task() const { return task_; }
  bool wants_task() const { return wants_task_; }  // tools/call that a server is to make a task of
  // Further slices of the message that differ upstream, because of tasks.
  const std::vector<std::pair<std::string_view, std::string>>& task_edits() const { return task_edits_; }

 private:
  explicit AllowedCall(const McpRequest& request) : request_(&request) {}
  std::optional<base::Reason> take_parameters(json::Value params);
  std::optional<base::Reason> find_name(mcp::ListKind kind, json::Value name, base::Reason unknown);
  std::optional<base::Reason> find_resource(json::Value uri);
  std::optional<base::Reason> find_reference(json::Value reference);
  std::optional<base::Reason> find_task(json::Value id, mcp::TaskBook& tasks, base::Microseconds now);
  std::optional<base::Reason> look_for_tasks(const mcp::TaskBook& tasks, base::Microseconds now);
  const McpRequest* request_;
  upstream::Server* server_ = nullptr;
  std::string target_;
  std::string_view name_raw_, original_raw_, arguments_raw_;
  std::optional<std::string_view> progress_token_;
  std::optional<mcp::Task> task_;
  bool wants_task_ = false;
  std::vector<std::pair<std::string_view, std::string>> task_edits_;
};

// Those of these refusals that may end by themselves: a server that is still starting may have what was named.
bool may_come(base::Reason reason);

}  // namespace clawql::engine::line
