#include "engine/upstream/servers.hpp"

#include <algorithm>

#include "engine/upstream/remote_call.hpp"

namespace clawql::engine::upstream {

Servers::Servers(Parts parts, std::uint32_t shard)
    : parts_(parts),
      shard_(shard),
      instances_(
          {parts.loop, parts.launcher, parts.log, parts.metrics, parts.counts != nullptr ? *parts.counts : own_counts_},
          shard) {}

Servers::~Servers() = default;

void Servers::apply(const ipc::EngineSettings& settings) {
  if (shard_ == 0 && parts_.audit != nullptr && !builtin_)
    builtin_ = std::make_unique<BuiltinServer>(*parts_.audit, parts_.loop.clock(), settings.limits);
  if (builtin_) builtin_->set_limits(settings.limits);
  std::vector<Entry> before = std::exchange(entries_, {});
  for (const ipc::ServerSettings& server : settings.servers) {
    if (shard_of(server.name, settings.shards) != shard_) continue;
    const auto kept = std::ranges::find(before, server.name,
                                        [](const Entry& each) -> std::string_view { return each.settings.name; });
    if (kept == before.end()) {
      entries_.push_back(make_entry(server, settings.limits));
      continue;
    }
    entries_.push_back({server, std::move(kept->server), std::move(kept->modern)});
    before.erase(kept);
  }
  for (Entry& gone : before) {
    note(gone.settings.name, "server.removed", "it is no longer in the configuration", audit::Outcome::success);
    retire(std::move(gone.server));
    retire(std::move(gone.modern));
  }
  // Last, when the list is whole: a restart may call back.
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    entries_[i].server->change(entries_[i].settings, settings.limits);
    entries_[i].modern->change(entries_[i].settings, settings.limits);
  }
  instances_.apply(settings);
}

Servers::Entry Servers::make_entry(const ipc::ServerSettings& settings, const base::Limits& limits) {
  const StdioServer::Parts parts{parts_.loop, parts_.launcher, parts_.observer,
                                 parts_.log,  parts_.metrics,  instances_.numbers()};
  Role modern{.kind = Role::Kind::modern, .instance = instances_.numbers().next(), .client_capabilities = "{}"};
  return {settings, std::make_unique<StdioServer>(parts, settings, limits, Role{}),
          std::make_unique<StdioServer>(parts, settings, limits, std::move(modern))};
}

void Servers::retire(std::unique_ptr<StdioServer> server) {
  const bool ran = server->role().kind == Role::Kind::shared || server->state() != State::stopped;
  server->retire();
  if (ran) parts_.launcher.stop(server->name(), server->role().instance);
  parts_.loop.post([kept = std::move(server)] {});
}

void Servers::start_eager() {
  for (const Entry& each : entries_)
    if (each.settings.eager && each.settings.isolation == "shared") each.server->wake();
}

std::vector<Servers::Slot> Servers::slots() const {
  std::vector<Slot> slots;
  slots.reserve(entries_.size() + 1);
  if (builtin_) slots.push_back({builtin_.get(), nullptr, 0});
  for (const Entry& each : entries_)
    slots.push_back({each.server.get(), each.modern.get(), each.settings.call_seconds});
  return slots;
}

StdioServer* Servers::find(std::string_view name, std::uint64_t instance) const {
  for (const Entry& each : entries_) {
    if (each.settings.name != name) continue;
    if (instance == kShared) return each.server.get();
    if (instance == each.modern->role().instance) return each.modern.get();
  }
  return nullptr;
}

Server* Servers::find(std::string_view key) const {
  if (builtin_ && builtin_->name() == key) return builtin_.get();
  for (const Entry& each : entries_) {
    if (each.settings.name == key) return each.server.get();
    if (modern_key(each.settings.name) == key) return each.modern.get();
  }
  return nullptr;
}

std::string Servers::key_of(const Server& server) const {
  if (builtin_.get() == &server) return builtin_->name();
  for (const Entry& each : entries_) {
    if (each.server.get() == &server) return each.settings.name;
    if (each.modern.get() == &server) return modern_key(each.settings.name);
  }
  return {};
}

void Servers::note(std::string_view server, std::string_view subtype, std::string_view detail, audit::Outcome outcome) {
  if (parts_.audit == nullptr) return;
  const auto done = parts_.audit->record(
      {.type = audit::Type::agent,
       .subtype = subtype,
       .outcome = outcome,
       .severity = outcome == audit::Outcome::error ? audit::Severity::medium : audit::Severity::info,
       .server = server,
       .detail = detail});
  // It has happened already, so it cannot be refused for want of a record; the log counts the failure.
  if (!done) parts_.log.error("audit.failed", {{"subtype", subtype}, {"why", done.error().message}});
}

void Servers::started(std::string_view name, Pipes pipes) {
  StdioServer* const found = find(name, pipes.instance);
  Instance* const own = instances_.find(name, pipes.instance);
  if (own != nullptr) {
    note(name, "server.started", "incarnation " + std::to_string(pipes.incarnation) + ", for " + own->owner(),
         audit::Outcome::success);
    return own->started(std::move(pipes));
  }
  if (found == nullptr) {
    // Of a number that is not in use any more; the shared one is ended by the reload that took it away.
    if (pipes.instance != kShared) parts_.launcher.stop(name, pipes.instance);
    return;
  }
  const std::string modern = pipes.instance == kShared ? "" : ", for clients of 2026-07-28";
  note(name, "server.started", "incarnation " + std::to_string(pipes.incarnation) + modern, audit::Outcome::success);
  found->started(std::move(pipes));
}

void Servers::exited(const ipc::ServerExited& exit) {
  if (Instance* const own = instances_.find(exit.name, exit.instance)) {
    note(exit.name, "server.exited", exit.how + " (for " + own->owner() + ")", audit::Outcome::error);
    return own->exited(exit);
  }
  StdioServer* const found = find(exit.name, exit.instance);
  if (found == nullptr) {
    // One that was let go has ended.
    if (exit.instance != kShared) note(exit.name, "server.exited", exit.how, audit::Outcome::success);
    return;
  }
  note(exit.name, "server.exited", exit.how, audit::Outcome::error);
  found->exited(exit);
}

std::vector<Description> Servers::describe() const {
  std::vector<Description> all;
  if (builtin_) all.push_back(builtin_->describe());
  for (const Entry& each : entries_) all.push_back(each.server->describe());
  return all;
}

}  // namespace clawql::engine::upstream
