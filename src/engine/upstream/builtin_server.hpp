// The server that is always there: `clawql`, with the tools `audit` and `cache`. It runs inside the engine, answers at
// once, and keeps the data of each principal apart. Lives on shard 0, where the audit log is.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "base/limits.hpp"
#include "engine/audit/audit.hpp"
#include "engine/upstream/audit_tool.hpp"
#include "engine/upstream/cache_tool.hpp"
#include "engine/upstream/server.hpp"

namespace clawql::engine::upstream {

class BuiltinServer final : public Server {
 public:
  static constexpr std::size_t kPrincipals = 64;        // with data; the one that was quiet longest is forgotten
  static constexpr std::size_t kSharedCacheFactor = 4;  // all caches together: so many times the limit of one

  // All borrowed, for the server's life.
  BuiltinServer(const audit::Log& log, const base::Clock& clock, const base::Limits& limits);
  ~BuiltinServer() override;
  // After a reload: for principals that come from now on, and for the memory of all together.
  void set_limits(const base::Limits& limits);

  const std::string& name() const override { return name_; }
  const std::string& prefix() const override { return prefix_; }
  State state() const override { return State::ready; }
  bool worth_waiting_for() const override { return false; }
  std::shared_ptr<const Offer> offer() const override { return offer_; }
  Description describe() const override;
  std::optional<CallId> call(const OutgoingRequest& request, CallSink& sink) override;
  void cancel(CallId, std::string_view) override {}
  void set_log_level(std::string_view) override {}
  void subscribe(std::string_view) override {}
  void unsubscribe(std::string_view) override {}
  void send(std::string_view) override {}

 private:
  struct Principal {
    AuditTool audit;
    CacheTool cache;
    std::uint64_t last_use = 0;
  };
  Principal& principal(const std::string& name);
  Result<std::string> run(json::Value params, std::string_view raw_name, const std::string& principal_name);

  const audit::Log& log_;
  const base::Clock& clock_;
  base::Limits limits_;
  const std::string name_ = "clawql";
  const std::string prefix_ = "clawql__";
  std::shared_ptr<const Offer> offer_;
  SharedBytes shared_;
  std::map<std::string, std::unique_ptr<Principal>> principals_;
  std::uint64_t uses_ = 0;
  std::uint64_t calls_ = 0;
};

}  // namespace clawql::engine::upstream
