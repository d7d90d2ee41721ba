// Finds out how a process is to be spoken to. A server may speak the handshake era (2025-11-25 and older), 2026-07-28,
// or both; a stdio process speaks one of them for its life, and server/discover does not decide which (measured with
// the SDKs; MCP 2026-07-28, basic/versioning and basic/transports/stdio).
//
//   for a session:                            initialize → handshake era, in which it may ask its client
//   for everybody, or a principal:            server/discover → whatever comes, or 2 s → initialize → handshake era
//                                             refused, and discover had an answer → the server speaks 2026-07-28 alone
//   for clients of 2026-07-28:                server/discover → 2026-07-28
#pragma once

#include <optional>
#include <string>

#include "engine/upstream/offer.hpp"
#include "engine/upstream/own_requests.hpp"
#include "engine/upstream/role.hpp"
#include "io/loop.hpp"

namespace clawql::engine::upstream {

// What a process said of itself.
struct Introduction {
  bool modern = false;  // this process is spoken to in the way of 2026-07-28
  Features features;
  bool tools_change = false, resources_change = false, prompts_change = false;  // capabilities.*.listChanged
  std::string name, version, protocol_version;                                  // hostile text, cut
};

class Handshake {
 public:
  static constexpr base::Milliseconds kProbePatience{2'000};

  class Handler {
   public:
    virtual void on_introduced(Introduction who) = 0;
    // May end the handshake.
    virtual void on_handshake_refused(const std::string& why) = 0;

   protected:
    ~Handler() = default;
  };

  // All borrowed; ends with the process. `probes`: false for a server that is known to take server/discover ill.
  Handshake(io::Loop& loop, OwnRequests& own, Handler& handler, const Role& role, bool probes);
  void begin();
  // server/discover was sent and has no answer yet.
  bool is_probing() const { return probing_; }

 private:
  void probe();
  void initialize();
  void on_discovered(const OwnRequests::Answer& answer);
  void on_initialized(const OwnRequests::Answer& answer);

  OwnRequests& own_;
  Handler& handler_;
  const Role& role_;
  const bool probes_;
  bool probing_ = false;
  bool initialize_sent_ = false;
  std::optional<Introduction> discovered_;
  io::Deadline patience_;
};

}  // namespace clawql::engine::upstream
