// Writes the audit events of the line. Refusals that a client can cause without end are sampled: the first of a reason
// at once, the others of that second as one event with their count, so that a flood of refusals cannot flood the log.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/refusal.hpp"
#include "engine/audit/audit.hpp"
#include "engine/line/steps.hpp"
#include "io/loop.hpp"
#include "ipc/settings.hpp"

namespace clawql::engine::line {

// What both records of a call say. The views belong to the client and its principal, which outlive the call.
struct CallFacts {
  std::string_view principal, session, method;
  std::string listener, peer, server, tool, name;
};

class Auditor {
 public:
  Auditor(io::Loop& loop, audit::Log& log, std::uint8_t shard);

  void set_listeners(const std::vector<ipc::ListenerSettings>& listeners);
  std::string_view listener_label(std::uint16_t id) const;  // "" where it is not known
  // Kind of the listener: "unix", "tcp", "admin"; "" where it is not known.
  std::string_view listener_kind(std::uint16_t id) const;

  CallFacts facts_of(const AllowedCall& call);
  // False: the record is not safe, the call must not go upstream (P8).
  bool intent(const CallFacts& call, std::string_view arguments, std::size_t bytes);
  void outcome(const CallFacts& call, audit::Outcome outcome, std::string_view reason, std::int64_t duration_us,
               std::size_t bytes);
  // A refusal by the line. `client` may be null; `detail` is hostile text, escaped and cut by the writer.
  void refused(const IdentifiedRequest& who, const mcp::Client* client, base::Reason reason, std::string_view subtype,
               std::string_view detail);
  // Refusals that the door counted.
  void refused_by_door(const ipc::RefusalCount& count);
  void session(const IdentifiedRequest& who, const mcp::Session& session, std::string_view subtype);
  void session_ended(const mcp::Session& session, std::string_view subtype);  // by the gateway itself
  // A server's request to a session's client: its beginning (intent; false: it must not be put) and its end.
  // `duration_us` −1: none.
  bool asked(const mcp::Session& session, std::string_view server, std::string_view method, audit::Outcome outcome,
             std::string_view reason, std::int64_t duration_us);
  void admin(const IdentifiedRequest& who, std::string_view operation, std::string_view argument);
  void exposure(const ipc::DriftEvent& event);
  void server(std::string_view name, std::string_view subtype, audit::Outcome outcome, std::string_view detail);

 private:
  struct Sampled {
    std::uint64_t count = 0;  // held back in this second
    bool open = false;        // one was written in this second
    std::string principal, peer, detail, subtype;
  };
  void flush();
  audit::Log& log_;
  std::vector<ipc::ListenerSettings> listeners_;
  std::array<Sampled, base::kReasonCount> sampled_;
  io::Deadline flush_;
  std::string call_prefix_;
  std::uint64_t calls_ = 0;
};

}  // namespace clawql::engine::line
