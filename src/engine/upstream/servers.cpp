#include "engine/upstream/servers.hpp"

#include <algorithm>

namespace clawql::engine::upstream {

Servers::Servers(Parts parts, std::uint32_t shard) : parts_(parts), shard_(shard) {}

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
      entries_.push_back(
          {server, std::make_unique<StdioServer>(
                       StdioServer::Parts{parts_.loop, parts_.launcher, parts_.observer, parts_.log, parts_.metrics},
                       server, settings.limits)});
      continue;
    }
    entries_.push_back({server, std::move(kept->server)});
    before.erase(kept);
  }
  for (Entry& gone : before) retire(std::move(gone.server));
  // Last, when the list is whole: a restart may call back.
  for (std::size_t i = 0; i < entries_.size(); ++i) entries_[i].server->change(entries_[i].settings, settings.limits);
}

void Servers::retire(std::unique_ptr<StdioServer> server) {
  const std::string name = server->name();
  server->retire();
  parts_.launcher.stop(name, kShared);
  note(name, "server.removed", "it is no longer in the configuration", audit::Outcome::success);
  parts_.loop.post([kept = std::move(server)] {});
}

void Servers::start_eager() {
  for (const Entry& each : entries_)
    if (each.settings.eager) each.server->wake();
}

std::vector<Servers::Slot> Servers::slots() const {
  std::vector<Slot> slots;
  slots.reserve(entries_.size() + 1);
  if (builtin_) slots.push_back({builtin_.get(), nullptr, 0});
  for (const Entry& each : entries_) slots.push_back({each.server.get(), nullptr, each.settings.call_seconds});
  return slots;
}

Servers::Entry* Servers::entry(std::string_view name) {
  const auto found =
      std::ranges::find(entries_, name, [](const Entry& each) -> std::string_view { return each.settings.name; });
  return found == entries_.end() ? nullptr : &*found;
}

Server* Servers::find(std::string_view name) const {
  if (builtin_ && builtin_->name() == name) return builtin_.get();
  for (const Entry& each : entries_)
    if (each.settings.name == name) return each.server.get();
  return nullptr;
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
  if (pipes.instance != kShared) return parts_.launcher.stop(name, pipes.instance);  // nobody asked for it
  Entry* const found = entry(name);
  if (found == nullptr) return;
  note(name, "server.started", "incarnation " + std::to_string(pipes.incarnation), audit::Outcome::success);
  found->server->started(std::move(pipes));
}

void Servers::exited(const ipc::ServerExited& exit) {
  Entry* const found = entry(exit.name);
  if (found == nullptr || exit.instance != kShared) return;
  note(exit.name, "server.exited", exit.how, audit::Outcome::error);
  found->server->exited(exit);
}

std::vector<Description> Servers::describe() const {
  std::vector<Description> all;
  if (builtin_) all.push_back(builtin_->describe());
  for (const Entry& each : entries_) all.push_back(each.server->describe());
  return all;
}

}  // namespace clawql::engine::upstream
