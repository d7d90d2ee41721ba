// Finds out how a process is to be spoken to. A server may speak the handshake era (2025-11-25 and older), 2026-07-28,
// or both; but a stdio process speaks one of them for its life. What decides it differs: in the TypeScript SDK 2.4
// server/discover does not, in the Python SDK 2.3 it does, and nothing tells them apart before (both measured; MCP
// 2026-07-28, basic/versioning and basic/transports/stdio). So the first process of an entry is asked both; when it
// refuses `initialize` after it answered server/discover, the next one is asked in the other order:
//
//   ask           server/discover → whatever comes, or 2 s → initialize → handshake era, perhaps both eras
//                 refused, but server/discover had an answer: on_refused_after_discover → known_modern
//   known_modern  initialize → both eras; refused: server/discover → 2026-07-28 alone → modern_only
//   modern_only   server/discover → 2026-07-28
//   initialize_first  the same, for a session: only the handshake era lets a server ask its client in the midst of a
//                 call; whether it speaks the other as well is not looked at
//   no_question   initialize → handshake era (a server that took server/discover ill)
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
  enum class Opening : std::uint8_t { ask, known_modern, initialize_first, modern_only, no_question };
  static constexpr base::Milliseconds kProbePatience{2'000};

  class Handler {
   public:
    virtual void on_introduced(Introduction who) = 0;
    // These may end the handshake.
    virtual void on_refused_after_discover() = 0;
    virtual void on_handshake_refused(const std::string& why) = 0;

   protected:
    ~Handler() = default;
  };

  // All borrowed; ends with the process.
  Handshake(io::Loop& loop, OwnRequests& own, Handler& handler, const Role& role, Opening opening);
  void begin();
  // server/discover was sent and has no answer yet.
  bool is_probing() const { return probing_; }

 private:
  void probe();
  void initialize();
  void on_discovered(const OwnRequests::Answer& answer);
  void on_initialized(const OwnRequests::Answer& answer);
  void on_initialize_refused(const std::string& why);

  OwnRequests& own_;
  Handler& handler_;
  const Role& role_;
  const Opening opening_;
  bool probing_ = false;
  bool initialize_sent_ = false;
  bool initialize_refused_ = false;
  std::optional<Introduction> discovered_;
  io::Deadline patience_;
};

}  // namespace clawql::engine::upstream
