// A server that runs as a process and speaks newline-delimited JSON on its stdin and stdout (MCP 2025-11-25 and
// 2026-07-28, basic/transports, stdio). It gets our own ids and progress tokens and never learns which client asks; one
// that serves many clients is offered no client feature. It starts by name through the supervisor, and every call in it
// fails at once when it dies.
//
// The life of it:  stopped → starting (asked for; process there; Handshake; Lists) → ready
//   ready → starting when it dies and comes back by itself: calls wait for it, its offer stays until then
//   starting → failed when it dies, refuses the handshake or breaks the protocol before it was ready: calls fail at
//   once
//   failed → starting when the supervisor starts it again
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/limits.hpp"
#include "base/log.hpp"
#include "engine/upstream/client_features.hpp"
#include "engine/upstream/handshake.hpp"
#include "engine/upstream/launcher.hpp"
#include "engine/upstream/listen.hpp"
#include "engine/upstream/lists.hpp"
#include "engine/upstream/own_requests.hpp"
#include "engine/upstream/rate_limit.hpp"
#include "engine/upstream/role.hpp"
#include "engine/upstream/server.hpp"
#include "engine/upstream/server_process.hpp"
#include "engine/upstream/stderr_tail.hpp"
#include "engine/upstream/subscriptions.hpp"
#include "engine/upstream/upstream_metrics.hpp"
#include "ipc/settings.hpp"

namespace clawql::engine::upstream {

class StdioServer final : public Server,
                          private ServerProcess::Handler,
                          private Handshake::Handler,
                          private Lists::Handler {
 public:
  struct Parts {  // all borrowed, for the server's life
    io::Loop& loop;
    Launcher& launcher;
    Observer& observer;
    base::Logger& log;
    telemetry::Registry& metrics;
    InstanceNumbers& instances;
  };
  static constexpr std::size_t kWaitingBytes = 64U << 20;     // of calls, while it starts
  static constexpr std::size_t kUnsentBytes = 64U << 20;      // in its stdin; over it calls are refused
  static constexpr std::size_t kUnsentReplyBytes = 1U << 20;  // over it its own requests get no answer
  static constexpr base::Milliseconds kListPatience{5'000};   // a list waits no longer for its start
  static constexpr base::Milliseconds kExitGrace{1'000};      // from a closed pipe to the exit, else it is restarted
  static constexpr base::Milliseconds kTryAgain{10'000};      // a second process that failed: the next call after that
  static constexpr base::Milliseconds kLastWords{200};        // from the exit to the end of its stdout

  StdioServer(Parts parts, const ipc::ServerSettings& settings, const base::Limits& limits, Role role = {});
  ~StdioServer() override;

  const Role& role() const { return role_; }
  const std::string& name() const override { return settings_.name; }
  const std::string& prefix() const override { return settings_.prefix; }
  State state() const override { return state_; }
  bool worth_waiting_for() const override;
  std::shared_ptr<const Offer> offer() const override { return offer_; }
  Description describe() const override;
  std::uint64_t generation() const override { return generation_; }
  std::optional<CallId> call(const OutgoingRequest& request, CallSink& sink) override;
  void cancel(CallId call, std::string_view reason) override;
  void set_log_level(std::string_view level) override;
  void subscribe(std::string_view uri) override;
  void unsubscribe(std::string_view uri) override;
  void send(std::string_view message) override;
  void wake() override;

  // From the supervisor.
  void started(Pipes pipes);
  void exited(const ipc::ServerExited& exit);
  // A reload changed limits, or the entry itself. Then the shared process is restarted; any other ends, because the
  // supervisor lets go of it, and the next call starts one under a fresh number.
  void change(const ipc::ServerSettings& settings, const base::Limits& limits);
  // The entry is gone: every call fails, nothing is called afterwards. Does not stop the process.
  void retire();

 private:
  struct Call {
    Call(io::Loop& loop, io::Task on_expiry) : deadline(loop, std::move(on_expiry)) {}
    CallSink* sink = nullptr;
    bool sent = false;
    bool wants_progress = false;
    bool modern = false, wants_log = false, as_task = false;  // as the request said
    std::string text;                                         // while it waits to be sent
    base::Microseconds began{0};
    io::Deadline deadline;
  };
  struct Exit {
    std::string how;
    bool comes_back;
  };

  // stdio_server.cpp: calls, and what else clients want
  std::optional<CallId> refuse(CallSink& sink, base::Reason reason, std::string why);
  void write_call(const Call& call, std::string_view text);
  void send_held_calls();
  void forget_held(CallId id, const Call& call);
  void end_call(CallId id, base::Reason reason, const std::string& why);
  void fail_calls(bool sent_only, const std::string& why);
  void send_cancelled(CallId id, std::string_view reason);
  void send_log_level();
  void subscribe_all();
  bool can_hear() const;
  bool speaks_modern_now() const { return introduction_.modern; }

  // stdio_server_messages.cpp: what the server says
  void on_message(const json::Document& document, const ServerMessage& message) override;
  void on_garbage(std::string_view why, std::string_view line) override;
  void fail_only_call(std::string_view why, std::string_view line);
  void on_stderr(std::string_view bytes) override;
  void on_answer(const json::Document& document, const ServerMessage& message);
  void on_request(const json::Document& document, const ServerMessage& message);
  void reply(json::Value id, std::string_view rest);
  void on_notification(const json::Document& document, const ServerMessage& message);
  void on_progress(const json::Document& document);
  void on_log(const json::Document& document);
  bool on_listened(const json::Document& document, json::Value method);
  void count_protocol_error(std::string_view what);
  Call* only_call();

  // stdio_server_life.cpp: start, handshake, lists, end
  void on_output_closed() override;
  void on_errors_closed() override;
  void on_input_closed() override;
  void on_misconduct(const std::string& why) override;
  void on_introduced(Introduction who) override;
  void on_refused_after_discover() override;
  void on_handshake_refused(const std::string& why) override;
  void on_list(ListKind kind, std::shared_ptr<const ItemList> items, Freshness freshness) override;
  void on_lists_complete() override;
  void on_no_tools(const std::string& why) override;
  Handshake::Opening first_opening() const;
  void begin_start();
  void become_ready();
  void on_late_handshake();
  void on_grace_over();
  void restart_process(const std::string& why);
  void finish_exit();
  bool may_be_killed_by_probe();
  void drop_conversation();
  void drop_process();
  void fail(const std::string& why, bool ended_by_us = false);
  void restart_changed();
  void take_fresh_number();
  bool may_be_tried_again() const;
  void set_offer(Offer offer);

  Parts parts_;
  ipc::ServerSettings settings_;
  base::Limits limits_;
  Role role_;
  const OfferedFeatures offered_;
  UpstreamMetrics metrics_;

  State state_ = State::stopped;
  std::string reason_;
  bool retired_ = false;
  bool ever_ready_ = false;        // in this incarnation
  bool restart_expected_ = false;  // we asked for it: an exit does not mean that it stays away
  Handshake::Opening opening_;     // of the next process
  bool second_chance_used_ = false;
  std::uint32_t restarts_in_a_row_ = 0;
  base::Microseconds ready_since_{0};
  base::Microseconds start_began_{0};
  base::Microseconds failed_at_{0};
  std::uint64_t newest_incarnation_ = 0;
  std::uint64_t generation_ = 0;
  bool has_made_tasks_ = false;  // this process: it works without a call in flight
  std::uint64_t next_id_ = 1;

  std::unique_ptr<ServerProcess> process_;
  OwnRequests own_{next_id_};
  std::optional<Handshake> handshake_;  // with the process, and so on
  std::optional<Lists> lists_;
  std::optional<Listen> listen_;  // once ready, in the modern era
  Introduction introduction_;
  std::optional<Exit> exit_;         // reported, while the last bytes of its pipes are still being read
  io::Deadline grace_;               // for the other half of an ending: exit report, or end of the pipes
  io::Deadline restart_;             // when to ask for a restart, after misconduct
  io::Deadline handshake_deadline_;  // until it is ready

  std::unordered_map<CallId, Call> calls_;
  std::deque<CallId> held_;  // calls to be sent once it is ready, oldest first
  std::size_t held_bytes_ = 0;

  std::shared_ptr<const Offer> offer_;
  Offer next_offer_;  // while it starts
  Subscriptions subscriptions_;
  std::string log_level_, log_level_sent_;

  StderrTail stderr_tail_;
  RateLimit stderr_rate_{10, 50}, garbage_rate_{1, 5}, stray_rate_{20, 50};
  std::uint64_t calls_total_ = 0, starts_ = 0, protocol_errors_ = 0;
};

}  // namespace clawql::engine::upstream
