// Servers that somebody has for himself, as entries with `isolation: session` or `principal` say: a session sees the
// processes of its own beside those that all share, in configuration order, and a principal's are seen by all his
// sessions and by his requests of 2026-07-28. Without such entries nobody has anything here, and all share the views of
// Core. Belongs to the shard: a principal who talks to two shards has processes in each.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/line/asks.hpp"
#include "engine/line/core.hpp"
#include "engine/mcp/session.hpp"
#include "engine/mcp/view.hpp"
#include "engine/upstream/own_server.hpp"

namespace clawql::engine::line {

class OwnServers;

// By entry. Those that are not wanted any more are ended, and live until the loop's next turn.
class OwnProcesses {
 public:
  OwnProcesses(io::Loop& loop, upstream::InstanceMaker& maker) : loop_(loop), maker_(maker) {}
  // Makes what `order` says where it is not here. Null when it cannot be.
  upstream::OwnServer* get(const upstream::InstanceOrder& order, upstream::Server::Observer& observer);
  upstream::OwnServer* find(const upstream::Server& server) const;
  // Ends those whose entry is not among these; `before_end` is told of each first.
  void keep_only(const std::vector<mcp::ServerSlot>& entries, mcp::Isolation isolation,
                 const std::function<void(upstream::OwnServer&)>& before_end);
  void end_all();
  template <class Visit>
  void for_each(const Visit& visit) const {
    for (const auto& [entry, server] : servers_) visit(*server);
  }

 private:
  io::Loop& loop_;
  upstream::InstanceMaker& maker_;
  std::map<std::string, std::unique_ptr<upstream::OwnServer>, std::less<>> servers_;
};

class SessionServers final : public mcp::Session::Own, private upstream::Server::Observer {
 public:
  // `declared`: the client's capabilities at initialize.
  SessionServers(OwnServers& all, mcp::Session& session, json::Value declared);

  mcp::View& view() { return view_; }
  Asks& asks() { return asks_; }
  void set(const std::vector<mcp::ServerSlot>& entries);
  // The client is ready: notifications/initialized.
  void begin();
  void set_log_level(std::string_view level);
  // notifications/roots/list_changed of the client. Servers hear of the first at once, and of all that come within
  // kRootsPause as one: each makes them ask for the roots.
  void roots_changed(std::string_view message);
  static constexpr base::Milliseconds kRootsPause{1000};
  void end();
  const OwnProcesses& processes() const { return processes_; }

 private:
  void start_eager();
  void tell_roots_changed(std::string_view message);
  void on_roots_pause_over();
  void on_offer_changed(upstream::Server& server) override;
  void on_settled(upstream::Server& server) override;
  void on_notification(upstream::Server& server, const json::Document& message) override;
  void on_request(upstream::Server& server, const json::Document& message) override;

  OwnServers& all_;
  mcp::Session& session_;
  const std::string capabilities_;  // what servers are told
  const bool has_roots_;
  mcp::View view_{false};
  OwnProcesses processes_;
  Asks asks_;
  bool begun_ = false;
  bool roots_pause_ = false;  // the servers heard of a change just now
  bool roots_due_ = false;    // there was another since
  io::Deadline roots_pause_end_;
};

class OwnServers {
 public:
  struct Parts {  // borrowed, for the shard's life
    Core& core;
    upstream::InstanceMaker& maker;
    upstream::Server::Observer& shared;  // hears what concerns more than one session
    std::function<void()> on_changed;    // some view's lists are others now: to be announced
  };
  explicit OwnServers(Parts parts) : parts_(std::move(parts)) {}

  // The entries of the configuration, at start and at each reload: changes every view.
  void set_entries(std::vector<mcp::ServerSlot> entries);
  // A session begins: it gets a view of its own where the configuration asks for one.
  void welcome(mcp::Session& session, json::Value declared);
  // The view of a principal's requests of 2026-07-28.
  mcp::View& modern_view(identity::KnownPrincipal& principal);
  // All but those of Core.
  void for_each_view(const std::function<void(mcp::View&)>& visit);
  // Merges them all anew, because shared servers changed.
  void refresh();
  // Everything that somebody has for himself.
  void for_each_server(const std::function<void(const upstream::OwnServer&)>& visit) const;
  // Of principals: the least that any session wants.
  void set_log_level(std::string_view level);

 private:
  friend class SessionServers;
  struct Household final : upstream::Server::Observer {  // of a principal
    Household(OwnServers& all_in, identity::KnownPrincipal& principal_in)
        : all(all_in), principal(principal_in), processes(all_in.parts_.core.loop, all_in.parts_.maker) {}
    void on_offer_changed(upstream::Server&) override { all.refresh(); }
    void on_settled(upstream::Server& server) override { all.parts_.shared.on_settled(server); }
    void on_notification(upstream::Server& server, const json::Document& message) override {
      all.parts_.shared.on_notification(server, message);
    }
    void on_request(upstream::Server&, const json::Document&) override {}  // it is offered nothing

    OwnServers& all;
    identity::KnownPrincipal& principal;
    OwnProcesses processes;
    mcp::View modern{true};
  };
  bool any(mcp::Isolation isolation) const;
  Household& household(identity::KnownPrincipal& principal);
  upstream::Server* of_principal(identity::KnownPrincipal& principal, const mcp::ServerSlot& entry);
  void set_modern(Household& household);
  void forget(const upstream::Server& server);

  Parts parts_;
  std::vector<mcp::ServerSlot> entries_;
  std::unordered_map<const identity::KnownPrincipal*, std::unique_ptr<Household>> households_;
};

// Null for clients that have nothing of their own.
SessionServers* own_of(mcp::Client& client);

}  // namespace clawql::engine::line
