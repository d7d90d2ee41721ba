#include "engine/line/shard.hpp"

#include <algorithm>

#include "engine/line/exchange_delete.hpp"
#include "engine/line/exchange_events.hpp"
#include "engine/line/exchange_lines.hpp"
#include "engine/line/exchange_operator.hpp"
#include "engine/line/exchange_post.hpp"
#include "engine/line/exchange_sse.hpp"
#include "engine/line/listen.hpp"
#include "engine/line/tasks.hpp"
#include "engine/mcp/replies.hpp"

namespace clawql::engine::line {
namespace {

constexpr base::Milliseconds kAnnounceDelay{100};
constexpr base::Milliseconds kSweepInterval{5'000};
constexpr std::uint32_t kSweepsToKeepAlive = 5;  // 25 s: before proxies close a silent stream
constexpr base::Milliseconds kPatrolInterval{200};
constexpr std::size_t kLogBytes = 400;

// The entries of that kind have no process that everybody could see.
std::vector<mcp::ServerSlot> without(mcp::Isolation isolation, std::vector<mcp::ServerSlot> slots) {
  for (mcp::ServerSlot& slot : slots)
    if (slot.isolation == isolation) slot.server = slot.modern = nullptr;
  return slots;
}

}  // namespace

Shard::Shard(const Parts& parts, std::uint8_t number, const base::Limits& limits)
    : core_{.number = number,
            .common = parts.common,
            .loop = parts.loop,
            .log = parts.log,
            .auditor = Auditor(parts.loop, parts.audit, number),
            .metrics = Metrics(parts.registry),
            .limits = limits,
            .on_level_changed = parts.on_level_changed,
            .sessions = mcp::Sessions(number)},
      line_(core_),
      exchanges_(parts.loop),
      desk_(parts.loop, parts.supervisor),
      supervisor_(parts.supervisor),
      announce_(parts.loop, [this] { announce(); }),
      sweep_(parts.loop, [this] { sweep(); }),
      patrol_(parts.loop, [this] { patrol(); }) {
  if (parts.instances != nullptr) {
    own_servers_.emplace(OwnServers::Parts{core_, *parts.instances, *this, [this] { announce_soon(); }});
    core_.own_servers = &*own_servers_;
  }
  sweep_.set(kSweepInterval);
}

Shard::~Shard() = default;

// ---- the door

void Shard::add_channel(os::Fd socket) {
  ipc::EngineChannel::Handler& self = *this;
  channels_.push_back(std::make_unique<ipc::EngineChannel>(core_.loop, std::move(socket), self));
}

ipc::EngineStreamHandler& Shard::on_open(ipc::EngineChannel& channel, ipc::StreamId stream, const ipc::Open& open) {
  switch (open.route) {
    case ipc::Route::lines:
      return exchanges_.keep(std::make_unique<LinesExchange>(line_, core_, exchanges_, channel, stream, open));
    case ipc::Route::mcp:
      switch (open.method) {
        case ipc::Method::post:
          return exchanges_.keep(std::make_unique<PostExchange>(line_, core_, exchanges_, channel, stream, open));
        case ipc::Method::get:
          return exchanges_.keep(std::make_unique<EventsExchange>(line_, core_, exchanges_, channel, stream, open));
        case ipc::Method::delete_:
          return exchanges_.keep(std::make_unique<DeleteExchange>(line_, core_, exchanges_, channel, stream, open));
      }
      break;
    case ipc::Route::sse:
      return exchanges_.keep(std::make_unique<SseExchange>(line_, core_, exchanges_, channel, stream, open));
    case ipc::Route::message:
      return exchanges_.keep(std::make_unique<MessageExchange>(line_, core_, exchanges_, channel, stream, open));
    case ipc::Route::readyz:
    case ipc::Route::metrics:
    case ipc::Route::admin: break;
  }
  return exchanges_.keep(std::make_unique<OperatorExchange>(line_, core_, exchanges_, desk_, channel, stream, open));
}

void Shard::on_refusals(const std::vector<ipc::RefusalCount>& counts) {
  for (const ipc::RefusalCount& count : counts) {
    if (count.reason >= base::kReasonCount || count.count == 0) continue;
    core_.metrics.refused(static_cast<base::Reason>(count.reason), count.count);
    core_.auditor.refused_by_door(count);
  }
}

void Shard::admin_answer(const ipc::AdminAnswer& answer, std::vector<ShardStatus> others) {
  core_.others = std::move(others);
  desk_.answer(answer);
  core_.others.clear();
}

// Every stream of it was told already that its client is gone. The channel itself goes at the end of the turn: it is
// still on the stack here.
void Shard::on_closed(Error error) {
  core_.log.warning("channel.closed", {{"why", error.message}});
  core_.loop.at_turn_end(*this);
}

void Shard::on_turn_end() {
  std::erase_if(channels_, [](const auto& channel) { return channel->closed(); });
}

// ---- the servers

void Shard::set_servers(std::vector<mcp::ServerSlot> servers) {
  const auto stays = [&](const upstream::Server* server) {
    return std::ranges::any_of(servers,
                               [&](const auto& slot) { return slot.server == server || slot.modern == server; });
  };
  std::vector<upstream::Server*> gone;
  for (const mcp::ServerSlot& old : core_.entries)
    for (upstream::Server* const server : {old.server, old.modern})
      if (server != nullptr && !stays(server)) gone.push_back(server);
  core_.entries = servers;
  core_.modern_view.set(without(mcp::Isolation::principal, servers));
  core_.handshake_view.set(without(mcp::Isolation::session, without(mcp::Isolation::principal, servers)));
  if (own_servers_) own_servers_->set_entries(std::move(servers));
  merge_lists();
  for (const upstream::Server* server : gone) {
    line_.fail_calls_of(*server);
    core_.subscriptions.move_from(*server, [this](std::string_view uri) -> upstream::Server* {
      const auto* const entry = core_.handshake_view.catalog().find_resource(uri);
      return entry == nullptr ? nullptr : entry->server;
    });
  }
  line_.apply_log_level();
  line_.wake_waiting(false);
  patrol_.set(kPatrolInterval);
}

void Shard::merge_lists() {
  const auto before = core_.handshake_view.snapshot();
  core_.handshake_view.refresh();
  core_.modern_view.refresh();
  report_hidden(*before);
  if (own_servers_) own_servers_->refresh();
  if (core_.handshake_view.unannounced().any() || core_.modern_view.unannounced().any()) announce_soon();
}

void Shard::announce_soon() {
  if (!announce_.is_set()) announce_.set(kAnnounceDelay);
}

void Shard::report_hidden(const mcp::Catalog& before) const {
  if (core_.number != 0) return;  // every shard sees the same
  for (const mcp::ListKind kind : upstream::kAllLists) {
    const auto& known = before.list(kind).hidden();
    for (const auto& hidden : core_.handshake_view.catalog().list(kind).hidden()) {
      if (std::ranges::any_of(known, [&](const auto& old) { return old.item == hidden.item; })) continue;
      core_.log.warning("item.hidden", {{"list", mcp::words(kind).member},
                                        {"item", hidden.item},
                                        {"server", hidden.owner},
                                        {"hidden_by", hidden.hidden_by}});
    }
  }
}

void Shard::on_offer_changed(upstream::Server& /*server*/) {
  merge_lists();
}

void Shard::on_settled(upstream::Server& server) {
  const auto slot = std::ranges::find_if(
      core_.entries, [&](const auto& entry) { return entry.server == &server || entry.modern == &server; });
  if (slot == core_.entries.end() || slot->owned) {
    const bool ready = server.state() == upstream::State::ready;
    const upstream::Description description = server.describe();
    core_.auditor.server(server.name(), ready ? "server.ready" : "server.failed",
                         ready ? audit::Outcome::success : audit::Outcome::error, description.reason);
  }
  line_.apply_log_level();
  line_.wake_waiting(false);
}

void Shard::on_notification(upstream::Server& server, const json::Document& message) {
  if (tell_of_task(core_, server, message.root())) return;
  const json::Value params = message.root().find("params");
  const json::Value method = message.root().find("method");
  if (method.equals("notifications/resources/updated")) {
    if (const auto uri = params.find("uri").string()) core_.subscriptions.updated(server, *uri);
  } else if (method.equals("notifications/message")) {
    core_.log.info("server.log", {{"server", server.name()},
                                  {"level", params.find("level").plain_string().value_or("")},
                                  {"data", params.find("data") ? params.find("data").raw().substr(0, kLogBytes) : ""}});
  }
}

// A server that everybody shares is offered no client feature.
void Shard::on_request(upstream::Server& /*server*/, const json::Document& /*message*/) {}

// A session without a stream hears of it when it opens the next one.
void Shard::announce() {
  core_.listens.for_each([](Listen& listen) { listen.tell(listen.view().unannounced()); });
  core_.sessions.for_each([](mcp::Session& session) {
    const mcp::Changes changes = session.view().unannounced();
    mcp::MessageStream* stream = session.newest_stream();
    for (const mcp::ListKind kind : mcp::kAnnounced)
      if (changes.has(kind) && (stream == nullptr || !stream->send(mcp::list_changed(kind)))) session.unsent.add(kind);
  });
  core_.handshake_view.take_unannounced();
  core_.modern_view.take_unannounced();
  if (own_servers_) own_servers_->for_each_view([](mcp::View& view) { view.take_unannounced(); });
}

// ---- time

void Shard::sweep() {
  sweep_.set(kSweepInterval);
  const bool keep_alive = ++sweeps_ % kSweepsToKeepAlive == 0;
  core_.replays.sweep(core_.loop.now());
  std::vector<mcp::Session*> finished;
  core_.sessions.for_each([&](mcp::Session& session) {
    if (session.orphaned && session.in_flight() == 0) finished.push_back(&session);
  });
  if (keep_alive) exchanges_.for_each([](Exchange& exchange) { exchange.keep_alive(); });
  for (mcp::Session* session : finished) line_.end_session(*session, "session.closed");
  const base::Microseconds limit = std::chrono::seconds(core_.limits.session_idle_seconds);
  for (mcp::Session* session : core_.sessions.idle(core_.loop.now(), limit))
    line_.end_session(*session, "session.idle");
}

// A server that never settles stops being worth waiting for without telling; a drain ends by time.
void Shard::patrol() {
  line_.wake_waiting(false);
  if (core_.draining) check_drained();
  if (!drained_ && (line_.has_waiting() || core_.handshake_view.worth_waiting() || core_.draining))
    patrol_.set(kPatrolInterval);
}

void Shard::drain() {
  if (std::exchange(core_.draining, true)) return;
  drain_until_ = core_.loop.now() + std::chrono::seconds(core_.limits.drain_seconds);
  core_.listens.for_each([](Listen& listen) { listen.finish(); });
  exchanges_.for_each([](Exchange& exchange) { exchange.drain(); });
  patrol_.set(kPatrolInterval);
}

void Shard::check_drained() {
  const bool late = core_.loop.now() >= drain_until_;
  if (late) exchanges_.for_each([](Exchange& exchange) { exchange.abort(base::Reason::draining); });
  if (!late && exchanges_.size() > 0) return;
  drained_ = true;
  supervisor_.drained();
}

}  // namespace clawql::engine::line
