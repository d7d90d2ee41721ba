// A call on its way to a server: from the intent in the audit to its answer. Owned by its client; it ends by an answer,
// a failure, its time limit or the client's cancellation, and each of them leaves an outcome in the audit.
#pragma once

#include <optional>
#include <string>

#include "engine/line/core.hpp"
#include "engine/line/steps.hpp"
#include "engine/line/task_call.hpp"
#include "engine/mcp/asker.hpp"
#include "engine/mcp/related_task.hpp"
#include "engine/upstream/server.hpp"

namespace clawql::engine::line {

// The client features that a request of 2026-07-28 declares, of those that a server may ask for.
class Declared {
 public:
  Declared() = default;
  explicit Declared(json::Value capabilities)
      : sampling_(capabilities.find("sampling")),
        elicitation_(capabilities.find("elicitation")),
        roots_(capabilities.find("roots")) {}
  bool has(std::string_view feature) const {
    return (feature == "sampling" && sampling_) || (feature == "elicitation" && elicitation_) ||
           (feature == "roots" && roots_);
  }

 private:
  bool sampling_ = false, elicitation_ = false, roots_ = false;
};

class Call final : public mcp::Pending, private upstream::CallSink {
 public:
  // `task`: what it has to do with tasks; null: nothing.
  Call(Core& core, const AllowedCall& allowed, CallFacts&& facts, std::unique_ptr<TaskCall> task, mcp::Asker& asker);

  // Sends it upstream. `call` is in its session already; it may be gone when this returns.
  static void send(Call& call, const AllowedCall& allowed);
  void stop(base::Reason why, std::string_view reason_text) override;
  const upstream::Server& server() const { return server_; }
  std::optional<upstream::CallId> upstream_id() const { return upstream_id_; }
  mcp::Method method() const { return method_; }
  bool waits_for_result(std::string_view task) const { return task_ && task_->waits_for_result(task); }
  // Its server is taken away: cancelled there, and answered with an error here. The call is gone afterwards.
  void abandon();

 private:
  void on_response(const json::Document& message) override;
  void on_own_response(std::string_view text, std::string_view own_id, bool is_error) override;
  void on_notification(const json::Document& message) override;
  void on_failure(const base::Refusal& refusal) override;
  void on_request_refused(std::string_view feature) override;
  void say_what_is_missing();
  void on_timeout();
  void fail(base::Reason reason);  // the call is gone afterwards
  void record(audit::Outcome outcome, std::string_view reason, std::size_t bytes);
  bool wants_log(json::Value params) const;
  mcp::RelatedTask related_of(json::Value holder) const;

  Core& core_;
  mcp::Client& client_;
  upstream::Server& server_;
  InFlight in_flight_;
  CallFacts facts_;
  mcp::Method method_;
  std::string progress_token_;  // the client's, raw; empty: it wants no progress
  std::unique_ptr<TaskCall> task_;
  Declared declared_;
  std::string missing_feature_;             // that the server asked for in vain
  std::optional<mcp::LogLevel> log_level_;  // of this request alone (2026-07-28)
  std::optional<upstream::CallId> upstream_id_;
  base::Microseconds started_;
  std::optional<io::Deadline> time_limit_;  // of a call that was not answered at once
};

}  // namespace clawql::engine::line
