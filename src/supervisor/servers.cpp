// Which instances are to run: what the engine, an operator and a reload ask for, and the limits on it.
#include "supervisor/servers.hpp"

#include <fmt/format.h>
#include <signal.h>

#include <algorithm>
#include <iterator>

#include "supervisor/server_entry.hpp"

namespace clawql::supervisor {
namespace {

// Instances that are being ended still are processes. They hold up no start, until an engine that starts and stops
// without pause has made as many of them as may run.
constexpr std::size_t kEndingFactor = 2;

const config::Server* find_in(const config::Config& config, std::string_view name) {
  const auto found = std::ranges::find(config.servers, name, &config::Server::name);
  return found == config.servers.end() ? nullptr : &*found;
}

}  // namespace

Servers::Servers(Wiring wiring, Observer& observer) : wiring_(std::move(wiring)), observer_(observer) {}

Servers::~Servers() {
  kill_all();
}

Status Servers::prepare(std::optional<os::Identity> identity) {
  identity_ = std::move(identity);
  CLAWQL_TRY(auto life, os::make_pipe());
  life_read_ = std::move(life.first);
  life_write_ = std::move(life.second);
  return {};
}

const config::Server* Servers::find(std::string_view name) const {
  const config::Server* const found = config_ ? find_in(*config_, name) : nullptr;
  return found == nullptr || found->disabled ? nullptr : found;
}

Servers::Entry* Servers::known(std::string_view name, std::uint64_t instance) const {
  const auto found = entries_.find({std::string(name), instance});
  return found == entries_.end() ? nullptr : found->second.get();
}

Servers::Entry& Servers::entry(std::string_view name, std::uint64_t instance) {
  const Key key{std::string(name), instance};
  auto& place = entries_[key];
  if (!place) place = std::make_unique<Entry>(*this, key);
  return *place;
}

// For walks that forget on their way.
std::vector<Servers::Key> Servers::keys() const {
  std::vector<Key> keys;
  keys.reserve(entries_.size());
  for (const auto& [key, one] : entries_) keys.push_back(key);
  return keys;
}

void Servers::configure(std::shared_ptr<const config::Config> config) {
  const auto before = std::exchange(config_, std::move(config));
  for (const Key& key : keys()) {
    const auto& [name, instance] = key;
    const config::Server* const now = find(name);
    const config::Server* const then = before ? find_in(*before, name) : nullptr;
    const bool changed = now == nullptr || then == nullptr || now->fingerprint != then->fingerprint;
    // The engine itself restarts a shared instance whose entry changed: its clients stay with it.
    if (now == nullptr || (changed && instance != kShared)) stop(name, instance);
  }
  std::erase_if(entries_, [&](const auto& one) { return !find(one.first.first) && !one.second->running(); });
}

// ---- limits

Status Servers::room_for(const config::Server& server, std::uint64_t instance) const {
  if (instance == kShared) return {};
  std::size_t of_server = 0;
  std::size_t wanted = 0;
  std::size_t processes = unheard_.size();
  for (const auto& [key, one] : entries_) {
    if (one->shared()) continue;
    processes += one->running() ? 1 : 0;
    if (!one->wanted()) continue;
    ++wanted;
    if (one->name == server.name) ++of_server;
  }
  // A server that speaks both eras of MCP has a second process for everybody (engine/upstream/role.hpp).
  const bool is_shared = server.isolation == config::Isolation::shared;
  if (of_server >= (is_shared ? 1U : server.max_instances + 1U))
    return fail(is_shared ? std::string("its isolation is `shared`: it has no further instance")
                          : fmt::format("it has as many instances as its maxInstances allows: {}", server.max_instances));
  const std::size_t most = config_->limits.instances;
  if (wanted >= most)
    return fail(fmt::format("all servers together have as many instances as limits.instances allows: {}", most));
  if (processes >= kEndingFactor * most)
    return fail(fmt::format("{} instances have not ended yet, twice of what limits.instances allows", processes));
  return {};
}

Status Servers::may_start(std::string_view name, std::uint64_t instance) const {
  if (const config::Server* const server = find(name)) {
    const Entry* const there = known(name, instance);
    if (there != nullptr && there->wanted()) return {};
    return room_for(*server, instance);
  }
  if (config_ && find_in(*config_, name) != nullptr) return fail("it is disabled in the configuration");
  return fail("there is no such server in the configuration");
}

// ---- what is asked for

void Servers::start(std::string_view name, std::uint64_t instance) {
  if (const Status allowed = may_start(name, instance); !allowed) {
    const Entry* const there = known(name, instance);
    return observer_.on_server_exited({std::string(name), instance, there == nullptr ? 0 : there->incarnation,
                                       "could not be started: " + allowed.error().message, 0});
  }
  Entry& one = entry(name, instance);
  if (one.running()) {
    one.start_again = one.stopping;
  } else if (!one.retry.is_set()) {
    launch(one);
  }
}

void Servers::stop(std::string_view name, std::uint64_t instance) {
  Entry* const one = known(name, instance);
  if (one == nullptr) return;
  stop(*one);
  forget_if_over({std::string(name), instance});
}

void Servers::stop(Entry& one) {
  one.retry.clear();
  one.start_again = false;
  one.back_off = base::Milliseconds{0};
  end(one);
}

void Servers::forget_if_over(const Key& key) {
  if (key.second == kShared) return;
  const auto found = entries_.find(key);
  if (found != entries_.end() && !found->second->running() && !found->second->wanted()) entries_.erase(found);
}

void Servers::restart(std::string_view name, std::uint64_t instance) {
  if (!may_start(name, instance)) return start(name, instance);  // which says why not
  Entry& one = entry(name, instance);
  one.back_off = base::Milliseconds{0};
  if (!one.running()) {
    one.retry.clear();
    return launch(one);
  }
  end(one);
  one.start_again = true;
}

void Servers::restart_all(std::string_view name) {
  const config::Server* const server = find(name);
  if (server == nullptr) return;
  if (server->isolation == config::Isolation::shared || known(name, kShared) != nullptr) restart(name, kShared);
  for (const auto& [of, instance] : keys()) {
    if (of != name || instance == kShared) continue;
    // One that is on its way out is nobody's any more.
    const Entry* const one = known(of, instance);
    if (one != nullptr && one->wanted()) restart(of, instance);
  }
}

void Servers::stop_all() {
  for (const auto& [name, instance] : keys()) stop(name, instance);
}

void Servers::end_with_engine() {
  stop_all();
  for (auto place = entries_.begin(); place != entries_.end();) {
    const auto next = std::next(place);
    if (!place->second->shared()) {
      unheard_.push_back(std::move(place->second));
      entries_.erase(place);
    }
    place = next;
  }
}

void Servers::kill_all() {
  for (auto& [key, one] : entries_) os::send_signal(one->child.pidfd, SIGKILL);
  for (auto& one : unheard_) os::send_signal(one->child.pidfd, SIGKILL);
}

// ---- what there is

bool Servers::any_running() const {
  return !unheard_.empty() || std::ranges::any_of(entries_, [](const auto& one) { return one.second->running(); });
}

std::set<pid_t> Servers::pids() const {
  std::set<pid_t> result;
  for (const auto& [key, one] : entries_) {
    if (one->running()) result.insert(one->child.pid);
  }
  for (const auto& one : unheard_) result.insert(one->child.pid);
  return result;
}

std::vector<Servers::Description> Servers::describe() const {
  std::vector<Description> result;
  if (!config_) return result;
  for (const config::Server& server : config_->servers) {
    Description description{server.name, std::string(config::name(server.isolation)), server.max_instances, {}, {}};
    description.shared.state = server.disabled ? "disabled" : "stopped";
    for (auto at = entries_.lower_bound({server.name, kShared}); at != entries_.end() && at->first.first == server.name;
         ++at) {
      if (at->second->shared())
        description.shared = at->second->describe();
      else
        description.instances.push_back(at->second->describe());
    }
    result.push_back(std::move(description));
  }
  return result;
}

}  // namespace clawql::supervisor
