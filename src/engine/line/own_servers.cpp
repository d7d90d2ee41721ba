#include "engine/line/own_servers.hpp"

#include <algorithm>
#include <utility>

#include "engine/mcp/log_level.hpp"
#include "engine/upstream/client_features.hpp"
#include "engine/upstream/one_line.hpp"
#include "engine/upstream/related_task.hpp"

namespace clawql::engine::line {
namespace {

constexpr std::size_t kCapabilitiesBytes = 16U << 10;  // more says nothing that a server needs
constexpr std::string_view kRootsChanged = R"({"jsonrpc":"2.0","method":"notifications/roots/list_changed"})";
constexpr mcp::LogLevel kDefaultLevel = mcp::LogLevel::info;

// Of what the client declared, that which a server may ask for, as it wrote it; nothing else of the client is told.
std::string capabilities_for_servers(json::Value declared) {
  std::string members;
  for (const upstream::ClientFeature& feature : upstream::kClientFeatures) {
    const json::Value value = declared.find(feature.name);
    if (!value.is(json::Kind::object)) continue;
    if (!members.empty()) members += ',';
    members.append("\"").append(feature.name).append("\":").append(value.raw());
  }
  if (members.size() > kCapabilitiesBytes) return "{}";
  std::string text = "{" + members + "}";
  upstream::join_lines(text, 0);
  return text;
}

bool has_isolation(const std::vector<mcp::ServerSlot>& entries) {
  return std::ranges::any_of(entries, [](const auto& entry) { return entry.isolation != mcp::Isolation::shared; });
}

}  // namespace

mcp::View& modern_view_of(Core& core, identity::KnownPrincipal& principal) {
  return core.own_servers == nullptr ? core.modern_view : core.own_servers->modern_view(principal);
}

SessionServers* own_of(mcp::Client& client) {
  mcp::Session* const session = client.session();
  return session == nullptr ? nullptr : static_cast<SessionServers*>(session->own());
}

// ---- OwnProcesses

upstream::OwnServer* OwnProcesses::get(const upstream::InstanceOrder& order, upstream::Server::Observer& observer) {
  auto& place = servers_[order.entry];
  if (!place) place = maker_.make(order, observer);
  if (place) return place.get();
  servers_.erase(order.entry);
  return nullptr;
}

upstream::OwnServer* OwnProcesses::find(const upstream::Server& server) const {
  for (const auto& [entry, each] : servers_)
    if (each.get() == &server) return each.get();
  return nullptr;
}

void OwnProcesses::keep_only(const std::vector<mcp::ServerSlot>& entries, mcp::Isolation isolation,
                             const std::function<void(upstream::OwnServer&)>& before_end) {
  for (auto place = servers_.begin(); place != servers_.end();) {
    const bool wanted = std::ranges::any_of(
        entries, [&](const auto& entry) { return entry.name == place->first && entry.isolation == isolation; });
    if (wanted) {
      ++place;
      continue;
    }
    std::unique_ptr<upstream::OwnServer> gone = std::move(place->second);
    place = servers_.erase(place);
    before_end(*gone);
    gone->end();
    loop_.post([kept = std::move(gone)] {});
  }
}

void OwnProcesses::end_all() {
  keep_only({}, mcp::Isolation::shared, [](upstream::OwnServer&) {});
}

// ---- SessionServers

SessionServers::SessionServers(OwnServers& all, mcp::Session& session, json::Value declared)
    : all_(all),
      session_(session),
      capabilities_(capabilities_for_servers(declared)),
      has_roots_(declared.find("roots").is(json::Kind::object)),
      processes_(all.parts_.core.loop, all.parts_.maker),
      asks_(all.parts_.core, session, declared.find("elicitation").find("url").is(json::Kind::object)),
      roots_pause_end_(all.parts_.core.loop, [this] { on_roots_pause_over(); }) {}

void SessionServers::set(const std::vector<mcp::ServerSlot>& entries) {
  std::vector<mcp::ServerSlot> slots = entries;
  for (mcp::ServerSlot& slot : slots) {
    switch (slot.isolation) {
      case mcp::Isolation::shared: break;
      case mcp::Isolation::session:
        slot.server = processes_.get({.entry = slot.name,
                                      .kind = upstream::Role::Kind::session,
                                      .client_capabilities = capabilities_,
                                      .owner = "session " + std::string(session_.audit_name())},
                                     *this);
        break;
      case mcp::Isolation::principal: slot.server = all_.of_principal(session_.principal(), slot); break;
    }
    if (slot.isolation != mcp::Isolation::shared) slot.modern = nullptr;
  }
  view_.set(std::move(slots));
  view_.refresh();
  processes_.keep_only(entries, mcp::Isolation::session, [this](upstream::OwnServer& gone) {
    asks_.server_ended(gone);
    all_.forget(gone);
  });
  if (const auto level = session_.log_level()) set_log_level(mcp::to_string(*level));
  if (begun_) start_eager();
}

void SessionServers::begin() {
  if (std::exchange(begun_, true)) return;
  start_eager();
}

void SessionServers::start_eager() {
  for (const mcp::ServerSlot& slot : view_.slots())
    if (slot.eager && slot.isolation != mcp::Isolation::shared && slot.server != nullptr) slot.server->wake();
}

void SessionServers::set_log_level(std::string_view level) {
  processes_.for_each([&](upstream::OwnServer& server) { server.set_log_level(level); });
}

void SessionServers::roots_changed(std::string_view message) {
  if (!has_roots_) return;
  if (roots_pause_)
    roots_due_ = true;
  else
    tell_roots_changed(message);
}

void SessionServers::tell_roots_changed(std::string_view message) {
  roots_pause_ = true;
  roots_pause_end_.set(kRootsPause);
  processes_.for_each([&](upstream::OwnServer& server) { server.send(message); });
}

void SessionServers::on_roots_pause_over() {
  roots_pause_ = false;
  if (std::exchange(roots_due_, false)) tell_roots_changed(kRootsChanged);
}

void SessionServers::end() {
  asks_.end();
  processes_.for_each([&](const upstream::OwnServer& gone) { all_.forget(gone); });
  processes_.end_all();
}

void SessionServers::on_offer_changed(upstream::Server& /*server*/) {
  if (view_.refresh().any()) all_.parts_.on_changed();
}

void SessionServers::on_settled(upstream::Server& server) {
  if (const upstream::OwnServer* const own = processes_.find(server)) asks_.restarted(*own);
  all_.parts_.shared.on_settled(server);
}

void SessionServers::on_notification(upstream::Server& server, const json::Document& message) {
  const upstream::OwnServer* const own = processes_.find(server);
  const json::Value method = message.root().find("method");
  if (own == nullptr) return;
  if (method.equals("notifications/cancelled")) return asks_.taken_back(*own, message.root());
  if (method.equals("notifications/elicitation/complete")) return asks_.tell(*own, message.root());
  if (!method.equals("notifications/message") || upstream::names_task(message.root().find("params")))
    return all_.parts_.shared.on_notification(server, message);
  const auto level =
      mcp::parse_log_level(message.root().find("params").find("level").plain_string().value_or(std::string_view{}));
  if (level && *level >= session_.log_level().value_or(kDefaultLevel)) asks_.tell(*own, message.root());
}

void SessionServers::on_request(upstream::Server& server, const json::Document& message) {
  if (upstream::OwnServer* const own = processes_.find(server)) asks_.ask(*own, message.root());
}

// ---- OwnServers

bool OwnServers::any(mcp::Isolation isolation) const {
  return std::ranges::any_of(entries_, [&](const auto& entry) { return entry.isolation == isolation; });
}

void OwnServers::set_entries(std::vector<mcp::ServerSlot> entries) {
  entries_ = std::move(entries);
  for (const auto& [principal, household] : households_) set_modern(*household);
  const bool needed = has_isolation(entries_);
  parts_.core.sessions.for_each([&](mcp::Session& session) {
    if (auto* const own = own_of(session))
      own->set(entries_);
    else if (needed)
      welcome(session, {});
  });
  for (const auto& [principal, household] : households_)
    household->processes.keep_only(entries_, mcp::Isolation::principal,
                                   [this](upstream::OwnServer& gone) { forget(gone); });
}

// Of a session that was there before the configuration had such entries nothing is known that its client can do.
void OwnServers::welcome(mcp::Session& session, json::Value declared) {
  if (!has_isolation(entries_)) return;
  auto own = std::make_unique<SessionServers>(*this, session, declared);
  SessionServers& made = *own;
  session.give(std::move(own), made.view());
  made.set(entries_);
  made.view().take_unannounced();  // it has not seen anything else
}

// Whoever subscribed to something of it hears no more, and its tasks are gone.
void OwnServers::forget(const upstream::Server& server) {
  if (server.generation() != 0) parts_.core.common.tasks.process_ended(server.generation(), parts_.core.loop.now());
  parts_.core.subscriptions.move_from(server, [](std::string_view) -> upstream::Server* { return nullptr; });
}

OwnServers::Household& OwnServers::household(identity::KnownPrincipal& principal) {
  auto& place = households_[&principal];
  if (!place) place = std::make_unique<Household>(*this, principal);
  return *place;
}

upstream::Server* OwnServers::of_principal(identity::KnownPrincipal& principal, const mcp::ServerSlot& entry) {
  Household& his = household(principal);
  return his.processes.get({.entry = entry.name,
                            .kind = upstream::Role::Kind::principal,
                            .client_capabilities = "{}",
                            .owner = "principal " + principal.principal.name},
                           his);
}

void OwnServers::set_modern(Household& his) {
  std::vector<mcp::ServerSlot> slots = entries_;
  for (mcp::ServerSlot& slot : slots) {
    if (slot.isolation != mcp::Isolation::principal) continue;
    slot.server = of_principal(his.principal, slot);
    slot.modern = nullptr;
  }
  his.modern.set(std::move(slots));
  his.modern.refresh();
}

mcp::View& OwnServers::modern_view(identity::KnownPrincipal& principal) {
  if (!any(mcp::Isolation::principal)) return parts_.core.modern_view;
  const bool known = households_.contains(&principal);
  Household& his = household(principal);
  if (!known || his.modern.slots().empty()) {
    set_modern(his);
    his.modern.take_unannounced();
  }
  return his.modern;
}

void OwnServers::for_each_view(const std::function<void(mcp::View&)>& visit) {
  for (const auto& [principal, household] : households_) visit(household->modern);
  parts_.core.sessions.for_each([&](mcp::Session& session) {
    if (auto* const own = own_of(session)) visit(own->view());
  });
}

void OwnServers::refresh() {
  bool changed = false;
  for_each_view([&](mcp::View& view) { changed = view.refresh().any() || changed; });
  if (changed) parts_.on_changed();
}

void OwnServers::set_log_level(std::string_view level) {
  for (const auto& [principal, household] : households_)
    household->processes.for_each([&](upstream::OwnServer& server) { server.set_log_level(level); });
}

}  // namespace clawql::engine::line
