// A server of somebody's own: of an entry with `isolation: session` or `principal`, a process for one session or one
// principal alone. Whoever ordered it owns it, uses it like any server, and ends it.
#pragma once

#include <memory>
#include <string>

#include "base/clock.hpp"
#include "engine/upstream/role.hpp"
#include "engine/upstream/server.hpp"

namespace clawql::engine::upstream {

struct InstanceOrder {
  std::string entry;                       // its name in the configuration
  Role::Kind kind = Role::Kind::session;   // or principal
  std::string client_capabilities = "{}";  // Role::client_capabilities
  std::string owner;                       // "session 0123456789abcdef", "principal uid:1000": for the audit
};

class OwnServer : public Server {
 public:
  // Its owner needs it no more: its process ends, and nothing is called afterwards. Calls are over by then. It must
  // live until the loop's next turn.
  virtual void end() = 0;
  // Until then its process does not end for being idle: it works at a task.
  virtual void keep_until(base::Microseconds time) = 0;
  // The last start was refused, because there are as many instances as there may be. Calls are refused for it.
  virtual bool is_over_limit() const = 0;
};

class InstanceMaker {
 public:
  // `observer` is borrowed, for the server's life. Nothing starts before somebody wakes or calls it. Null when the
  // configuration has no such entry.
  virtual std::unique_ptr<OwnServer> make(const InstanceOrder& order, Server::Observer& observer) = 0;

 protected:
  ~InstanceMaker() = default;
};

}  // namespace clawql::engine::upstream
