// What a process of an `mcpServers` entry is for. An entry has one shared process; others are made when somebody needs
// one of their own (`isolation:`), or when clients of 2026-07-28 call a server that speaks both eras: a stdio process
// speaks one era for its whole life.
#pragma once

#include <cstdint>
#include <string>

namespace clawql::engine::upstream {

struct Role {
  enum class Kind : std::uint8_t {
    shared,     // instance 0: for everybody, no client feature is offered
    modern,     // speaks 2026-07-28 alone, beside a shared one that speaks the handshake era; starts when first used
    principal,  // for one principal, no client feature is offered
    session,    // for one session, with what that client declared
  };
  Kind kind = Kind::shared;
  std::uint64_t instance = 0;  // the supervisor's number of the process; never used again by this engine
  // Raw JSON object of the client features that its one client declared ({"sampling":{},…}); "{}" where it serves many.
  std::string client_capabilities = "{}";
};

}  // namespace clawql::engine::upstream
