#include "door/door.hpp"

#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <optional>

#include "door/peer.hpp"

namespace clawql::door {
namespace {

constexpr std::uint32_t kMaxThreads = 64;
constexpr std::uint32_t kMaxShards = 256;  // two hexadecimal digits of a session id

std::optional<Listener::Kind> kind_of(std::string_view text) {
  if (text == "unix") return Listener::Kind::unix_socket;
  if (text == "tcp") return Listener::Kind::tcp;
  if (text == "admin") return Listener::Kind::admin;
  return std::nullopt;
}

using Listeners = std::map<std::uint16_t, std::shared_ptr<const Listener>>;

Result<Listeners> listeners_of(const ipc::DoorSettings& settings) {
  Listeners listeners;
  for (const ipc::ListenerSettings& entry : settings.listeners) {
    const auto kind = kind_of(entry.kind);
    if (!kind) return fail(fmt::format("listener {} has the unknown kind \"{}\"", entry.id, entry.kind));
    const auto listener = std::make_shared<const Listener>(Listener{entry.id, *kind, entry.local, entry.label});
    if (!listeners.emplace(entry.id, listener).second) return fail(fmt::format("two listeners have id {}", entry.id));
  }
  return listeners;
}

Result<std::shared_ptr<const Snapshot>> snapshot_of(const ipc::DoorSettings& settings) {
  auto allow = AllowList::make(settings.allowed_hosts, settings.allowed_origins, settings.config_path);
  if (!allow) return std::unexpected(std::move(allow).error());
  return std::make_shared<const Snapshot>(Snapshot{*std::move(allow), settings.limits});
}

}  // namespace

Result<std::unique_ptr<Door>> Door::make(io::Loop& first, base::Logger& logger, const ipc::DoorSettings& settings) {
  if (settings.threads < 1 || settings.threads > kMaxThreads || settings.engine_shards < 1 ||
      settings.engine_shards > kMaxShards)
    return fail("threads: the door takes 1 to 64, the engine 1 to 256");
  CLAWQL_TRY(const auto snapshot, snapshot_of(settings));
  CLAWQL_TRY(Listeners listeners, listeners_of(settings));
  std::unique_ptr<Door> door(new Door(first));
  door->known_ = std::move(listeners);
  for (std::uint32_t i = 0; i < settings.threads; ++i) {
    if (i > 0) door->own_loops_.push_back(std::make_unique<io::Loop>(first.clock()));
    io::Loop& loop = i == 0 ? first : *door->own_loops_.back();
    door->loops_.push_back(
        std::make_unique<DoorLoop>(loop, logger, snapshot, settings.threads, settings.engine_shards));
  }
  return door;
}

Door::~Door() {
  for (const auto& loop : own_loops_) loop->stop();
  for (std::thread& thread : threads_) thread.join();
}

Status Door::apply(const ipc::DoorSettings& settings) {
  CLAWQL_TRY(const auto snapshot, snapshot_of(settings));
  CLAWQL_TRY(Listeners listeners, listeners_of(settings));
  known_ = std::move(listeners);
  for (const auto& loop : loops_) {
    DoorLoop* const target = loop.get();
    if (target == loops_.front().get())
      target->apply(snapshot);
    else
      target->loop().post([target, snapshot] { target->apply(snapshot); });
  }
  return {};
}

Status Door::add_listener(std::uint16_t id, os::Fd socket) {
  const auto known = known_.find(id);
  if (known == known_.end()) return fail(fmt::format("a socket came for listener {}, which the settings lack", id));
  if (known->second->kind == Listener::Kind::tcp) {
    // Accepted sockets inherit it; without it an event waits for the acknowledgement of the one before.
    int on = 1;
    if (::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0) return fail_system("TCP_NODELAY");
  }
  Place& place = places_[id];
  place = Place{known->second, std::move(socket), nullptr};
  if (started_) accept_from(place);
  return {};
}

void Door::close_listener(std::uint16_t id) {
  places_.erase(id);
}

Status Door::add_channel(std::uint32_t door_loop, std::uint32_t shard, os::Fd channel) {
  if (door_loop >= loops_.size()) return fail(fmt::format("a channel came for door loop {}", door_loop));
  DoorLoop* const target = loops_[door_loop].get();
  if (door_loop == 0)
    target->attach(shard, std::move(channel));
  else
    target->loop().post([target, shard, fd = std::move(channel)]() mutable { target->attach(shard, std::move(fd)); });
  return {};
}

void Door::start() {
  started_ = true;
  for (const auto& loop : own_loops_) threads_.emplace_back([raw = loop.get()] { raw->run(); });
  for (auto& [id, place] : places_) accept_from(place);
}

void Door::accept_from(Place& place) {
  place.acceptor = std::make_unique<io::Acceptor>(
      first_, std::move(place.waiting),
      [this, listener = place.listener](os::Fd connection) { welcome(std::move(connection), listener); });
}

void Door::welcome(os::Fd connection, const std::shared_ptr<const Listener>& listener) {
  const auto peer = peer_of(connection.get(), listener->kind != Listener::Kind::tcp);
  if (!peer) return;  // it has gone already
  next_ = (next_ + 1) % static_cast<std::uint32_t>(loops_.size());
  DoorLoop* const target = loops_[next_].get();
  if (next_ == 0) return target->adopt(std::move(connection), listener, *peer);
  target->loop().post([target, listener, who = *peer, fd = std::move(connection)]() mutable {
    target->adopt(std::move(fd), listener, who);
  });
}

void Door::drain(std::function<void()> done) {
  places_.clear();
  draining_loops_ = loops_.size();
  const auto one_done = [this, done = std::move(done)] {
    if (--draining_loops_ == 0) done();
  };
  for (const auto& loop : loops_) {
    DoorLoop* const target = loop.get();
    target->loop().post([this, target, one_done] { target->drain([this, one_done] { first_.post(one_done); }); });
  }
}

}  // namespace clawql::door
