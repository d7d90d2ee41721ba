// What servers ask of a session's client: sampling, elicitation, roots. Only a process of the session's own is offered
// these (client_features.hpp), so there is no doubt whom it means. Each question gets an id of ours towards the client
// and its own back towards the server; it goes where the client listens because of that server: on the stream of its
// newest call there, else on the session's newest stream; of a task on the stream where its result is awaited (MCP
// 2025-11-25, client/sampling, elicitation, roots; transports, "Sending Messages to the Server").
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/line/core.hpp"
#include "engine/mcp/message.hpp"
#include "engine/upstream/own_server.hpp"
#include "json/document.hpp"

namespace clawql::engine::line {

class Call;

class Asks {
 public:
  static constexpr std::size_t kMost = 64;  // open at a time, of one session

  // `takes_urls`: the client declared elicitation by URL.
  Asks(Core& core, mcp::Session& session, bool takes_urls) : core_(core), session_(session), takes_urls_(takes_urls) {}

  // From a server of the session's own: a request, and the notification that takes one back.
  void ask(upstream::OwnServer& server, json::Value request);
  void taken_back(const upstream::OwnServer& server, json::Value notification);
  // From the client: a response (what is for no open question is dropped and counted), and progress of one.
  void answered(const mcp::Message& response);
  void progressed(const mcp::Message& notification);
  // A notification of the server that only a client can use, or a log message: where the client listens because of it.
  void tell(const upstream::OwnServer& server, json::Value notification);

  // The call on whose stream questions went is over, and these with it, but those of a task, which goes on.
  void call_ended(const Call& call);
  // Questions of an earlier process of this server are nobody's any more.
  void restarted(const upstream::OwnServer& server);
  // Every question of it is over: it goes.
  void server_ended(const upstream::OwnServer& server);
  void end();

  std::size_t open() const { return open_.size(); }

 private:
  struct Ask {
    Ask(upstream::OwnServer& asker, io::Loop& loop, io::Task on_expiry)
        : server(asker), generation(asker.generation()), limit(loop, std::move(on_expiry)) {}
    upstream::OwnServer& server;
    const std::uint64_t generation;
    std::string number;             // our id of it, and progress token
    std::string id, token, method;  // the server's, raw; the token empty where it wants no progress
    std::string task;               // the server's id of the task that it is for, raw; empty: none
    const Call* call = nullptr;     // on whose stream it went; null: the session's
    base::Microseconds began{0};
    io::Deadline limit;
  };
  struct Ending {
    audit::Outcome outcome;
    std::string_view reason;     // for the audit
    std::string_view to_server;  // text of the error; empty: it needs none
    bool tell_client = true;     // that nobody wants its answer
  };
  const Call* newest_call(const upstream::OwnServer& server) const;
  const Call* call_for(const upstream::OwnServer& server, json::Value params) const;
  bool deliver(const Call* call, const mcp::Spliced& message);
  bool say(const Call* call, const mcp::Spliced& notification);
  bool is_lawful(const upstream::OwnServer& server, json::Value request);
  void refuse(upstream::OwnServer& server, std::string_view id, std::string_view method, int code,
              std::string_view why);
  base::Milliseconds time_limit(const upstream::OwnServer& server) const;
  Ask* find(std::string_view number) const;
  std::unique_ptr<Ask> take(const Ask& ask);
  void finish(const Ask& ask, const Ending& ending);
  template <class Wanted>
  void finish_all(Wanted wanted, const Ending& ending);
  void record(const Ask& ask, audit::Outcome outcome, std::string_view reason);

  Core& core_;
  mcp::Session& session_;
  const bool takes_urls_;
  std::uint64_t asked_ = 0;
  std::vector<std::unique_ptr<Ask>> open_;
};

}  // namespace clawql::engine::line
