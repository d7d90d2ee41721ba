// What each step of the line makes from what the step before made. None of these can be built by hand, so a step cannot
// be left out: a call that was not identified, admitted and allowed cannot be written down.
//
//   ipc::Open ──identify──► IdentifiedRequest ──admit──► McpRequest ──allow──► AllowedCall
#pragma once

#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "base/refusal.hpp"
#include "engine/identity/principal.hpp"
#include "engine/mcp/catalog.hpp"
#include "engine/mcp/message.hpp"
#include "engine/mcp/session.hpp"
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
  bool lines = false;                                // newline JSON: the connection is the session
  mcp::Session* session = nullptr;                   // of the connection; null before initialize. Lines only
  std::optional<std::string_view> session_id;        // HTTP only
  std::optional<std::string_view> protocol_version;  // HTTP only
};

// A message in a session that is its sender's, in a version that is spoken here.
class McpRequest {
 public:
  static std::expected<McpRequest, base::Reason> admit(const IdentifiedRequest& who, const mcp::Message& message,
                                                       const Carriage& carriage, const mcp::Sessions& sessions);
  // The session alone, where there is no message yet (GET, DELETE, a batch).
  static std::expected<mcp::Session*, base::Reason> find_session(const IdentifiedRequest& who, const Carriage& carriage,
                                                                 const mcp::Sessions& sessions);

  const IdentifiedRequest& who() const { return *who_; }
  const mcp::Message& message() const { return *message_; }
  mcp::Session& session() const { return *session_; }

 private:
  McpRequest(const IdentifiedRequest& who, const mcp::Message& message, mcp::Session& session)
      : who_(&who), message_(&message), session_(&session) {}
  friend class Line;  // the elements of a batch, whose session was found once
  const IdentifiedRequest* who_;
  const mcp::Message* message_;
  mcp::Session* session_;
};

// A tool call that policy let through: the tool is in the catalogue (which holds what the operator's allow-lists
// allow). Everything else is refused.
class AllowedCall {
 public:
  static std::expected<AllowedCall, base::Reason> allow(const McpRequest& request, const mcp::Catalog& catalog);

  const McpRequest& request() const { return *request_; }
  const mcp::Catalog::Entry& tool() const { return *tool_; }
  std::string_view name_raw() const { return name_raw_; }                             // params.name, with quotes
  std::string_view arguments_raw() const { return arguments_raw_; }                   // empty where there are none
  std::optional<std::string_view> progress_token() const { return progress_token_; }  // raw

 private:
  AllowedCall() = default;
  const McpRequest* request_ = nullptr;
  const mcp::Catalog::Entry* tool_ = nullptr;
  std::string_view name_raw_, arguments_raw_;
  std::optional<std::string_view> progress_token_;
};

}  // namespace clawql::engine::line
