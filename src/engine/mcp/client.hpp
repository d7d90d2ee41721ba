// The client side of requests: whose they are, in which revision, and what is in flight. A session is one; so is what
// came with a single request of 2026-07-28, or with all those of one connection. Everything here belongs to the shard's
// loop.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "engine/identity/principal.hpp"
#include "engine/mcp/asker.hpp"
#include "engine/mcp/log_level.hpp"
#include "engine/mcp/versions.hpp"
#include "engine/mcp/view.hpp"

namespace clawql::engine::mcp {

class Session;

class Client {
 public:
  // `view`: the servers as this client sees them; borrowed, for its life.
  Client(identity::KnownPrincipal& principal, Version version, View& view)
      : principal_(principal), version_(version), view_(&view) {}
  virtual ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  identity::KnownPrincipal& principal() const { return principal_; }
  Version version() const { return version_; }
  bool is_modern() const { return mcp::is_modern(version_); }
  View& view() const { return *view_; }
  // Null for a client of 2026-07-28.
  virtual Session* session() { return nullptr; }
  // For the audit: the session's name, "" where there is none.
  virtual std::string_view audit_name() const { return {}; }
  virtual void touch(base::Microseconds) {}

  // In flight, by the client's raw id ("1" and 1 are different).
  std::size_t in_flight() const { return pending_.size(); }
  Pending* find(std::string_view raw_id) const;
  void add(std::unique_ptr<Pending> pending);
  std::unique_ptr<Pending> take(const Pending& pending);
  std::unique_ptr<Pending> take_any();  // null when none is left
  const std::vector<std::unique_ptr<Pending>>& pending() const { return pending_; }
  // The asker's client vanished: what it waits for runs on and its answer is dropped. Returns how many.
  std::size_t lose_asker(const Asker& asker) { return change_asker(asker, nullptr); }
  // Somebody else hears the answers from now on.
  std::size_t change_asker(const Asker& from, Asker* to);

  // Bytes of its answers that it has not taken. Shared: a last answer may outlive its client.
  const std::shared_ptr<std::size_t>& buffered() const { return buffered_; }

 protected:
  void use_view(View& view) { view_ = &view; }

 private:
  identity::KnownPrincipal& principal_;
  Version version_;
  View* view_;
  std::vector<std::unique_ptr<Pending>> pending_;
  std::shared_ptr<std::size_t> buffered_ = std::make_shared<std::size_t>(0);
};

}  // namespace clawql::engine::mcp
