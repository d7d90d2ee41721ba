#include "engine/shards/engine.hpp"

#include <fmt/format.h>

#include <string>
#include <utility>

#include "engine/line/exposure.hpp"

namespace clawql::engine::shards {

// What one shard says to the supervisor: brought to the thread that talks to it.
class Engine::Voice final : public upstream::Launcher, public line::SupervisorLink {
 public:
  Voice(Engine& engine, bool first) : engine_(engine), first_(first) {}

  void start(std::string_view server, std::uint64_t instance) override {
    say([name = std::string(server), instance](Engine& engine) { engine.parts_.supervisor.start(name, instance); });
  }
  void stop(std::string_view server, std::uint64_t instance) override {
    say([name = std::string(server), instance](Engine& engine) { engine.parts_.supervisor.stop(name, instance); });
  }
  void restart(std::string_view server, std::uint64_t instance) override {
    say([name = std::string(server), instance](Engine& engine) { engine.parts_.supervisor.restart(name, instance); });
  }
  void admin(const ipc::AdminRequest& request) override {
    say([request](Engine& engine) { engine.parts_.supervisor.admin(request); });
  }
  void drained() override {
    say([](Engine& engine) { engine.one_drained(); });
  }
  void need_audit_file() {
    say([](Engine& engine) { engine.parts_.supervisor.need_audit_file(); });
  }

 private:
  template <class Words>
  void say(Words words) {
    if (first_) return words(engine_);
    engine_.parts_.first.post([&engine = engine_, words = std::move(words)] { words(engine); });
  }
  Engine& engine_;
  bool first_;
};

Engine::Engine(const Parts& parts, mcp::CursorSeal cursors) : parts_(parts), common_(std::move(cursors)) {}

Result<std::unique_ptr<Engine>> Engine::make(const Parts& parts, const ipc::EngineSettings& settings) {
  if (settings.shards < 1 || settings.shards > kMaxShards)
    return fail(fmt::format("the engine takes 1 to {} shards, not {}", kMaxShards, settings.shards));
  CLAWQL_TRY(mcp::CursorSeal cursors, mcp::CursorSeal::make());
  std::unique_ptr<Engine> engine(new Engine(parts, std::move(cursors)));
  for (std::uint32_t i = 0; i < settings.shards; ++i) engine->add_unit(static_cast<std::uint8_t>(i), settings);
  for (const auto& unit : engine->units_) unit->connect(engine->units_);
  engine->apply(settings);
  return engine;
}

void Engine::add_unit(std::uint8_t number, const ipc::EngineSettings& settings) {
  const bool first = number == 0;
  if (!first) own_loops_.push_back(std::make_unique<io::Loop>(parts_.first.clock()));
  io::Loop& loop = first ? parts_.first : *own_loops_.back();
  Voice& voice = *voices_.emplace_back(std::make_unique<Voice>(*this, first));
  const auto need_file = [&voice] { voice.need_audit_file(); };
  // Records of the others come to the first in the order of their posts, so also before a call that they announce.
  const auto keeper = [this](std::string_view principal, std::string_view json) {
    parts_.first.post(
        [this, who = std::string(principal), what = std::string(json)] { units_.front()->audit().keep(who, what); });
  };
  const base::Clock& clock = parts_.first.clock();
  auto audit = first ? std::make_unique<audit::Log>(settings.audit, clock, settings.limits.audit_ring, need_file)
                     : std::make_unique<audit::Log>(settings.audit, clock, keeper, need_file);
  if (!settings.audit.strict) audit->gather_on(loop);
  const Unit::Parts unit_parts{.loop = loop,
                               .log = parts_.log,
                               .registry = parts_.registry,
                               .common = common_,
                               .supervisor = voice,
                               .launcher = voice,
                               .instances = instances_,
                               .on_level_changed = [this, number] { level_changed(number); }};
  units_.push_back(std::make_unique<Unit>(unit_parts, number, std::move(audit), settings.limits));
}

// After the threads nothing of ours runs but this: what their loops still hold is dropped, unread, with the loops.
Engine::~Engine() {
  for (const auto& loop : own_loops_) loop->stop();
  for (std::thread& thread : threads_) thread.join();
}

void Engine::on(std::uint32_t number, std::move_only_function<void(Unit&)> task) {
  Unit& unit = *units_[number];
  if (number == 0 || !running_) return task(unit);
  unit.loop().post([&unit, task = std::move(task)]() mutable { task(unit); });
}

void Engine::apply(const ipc::EngineSettings& settings) {
  const auto shared = std::make_shared<const ipc::EngineSettings>(settings);
  for (std::uint32_t i = 0; i < shards(); ++i) on(i, [shared](Unit& unit) { unit.apply(*shared); });
}

void Engine::start() {
  running_ = true;
  for (const auto& loop : own_loops_) threads_.emplace_back([raw = loop.get()] { raw->run(); });
  for (std::uint32_t i = 0; i < shards(); ++i) on(i, [](Unit& unit) { unit.start(); });
}

Status Engine::add_channel(std::uint32_t shard, os::Fd channel) {
  if (shard >= shards()) return fail(fmt::format("a channel came for shard {}", shard));
  on(shard, [fd = std::move(channel)](Unit& unit) mutable { unit.line().add_channel(std::move(fd)); });
  return {};
}

void Engine::set_audit_file(os::Fd file) {
  const auto shared = std::make_shared<audit::File>(std::move(file));
  for (std::uint32_t i = 0; i < shards(); ++i) on(i, [shared](Unit& unit) { unit.audit().set_file(shared); });
}

// Whoever asked for an instance put the number of its shard into that of the instance.
std::uint32_t Engine::shard_of(std::string_view server, std::uint64_t instance) const {
  return instance == upstream::kShared ? upstream::shard_of(server, shards()) : upstream::shard_of_instance(instance);
}

void Engine::server_started(std::string_view name, upstream::Pipes pipes) {
  const std::uint32_t shard = shard_of(name, pipes.instance);
  if (shard >= shards()) return;  // of no number of ours: its pipes close
  on(shard, [name = std::string(name), pipes = std::move(pipes)](Unit& unit) mutable {
    unit.server_started(name, std::move(pipes));
  });
}

void Engine::server_exited(const ipc::ServerExited& exit) {
  const std::uint32_t shard = shard_of(exit.name, exit.instance);
  if (shard < shards()) on(shard, [exit](Unit& unit) { unit.server_exited(exit); });
}

// The operator's routes are the first shard's, and so are metrics and events about the whole gateway.
void Engine::exposure(const ipc::ExposureMessage& message) {
  line::take_exposure(units_.front()->line().core(), message);
}

// ---- what all shards do together

// Answers to an operator are rare, and only the line knows which of them wants the state of all shards: so all are
// asked before any is given. A shard that never says makes the operator's request run into its time limit.
struct Engine::StatusRound {
  ipc::AdminAnswer answer;
  std::vector<line::ShardStatus> heard;
};

void Engine::admin_answer(const ipc::AdminAnswer& answer) {
  if (shards() == 1) return units_.front()->line().admin_answer(answer, {});
  const auto round = std::make_shared<StatusRound>(StatusRound{answer, {}});
  for (std::uint32_t i = 1; i < shards(); ++i)
    on(i, [this, round](Unit& unit) {
      parts_.first.post([this, round, status = unit.line().status()]() mutable {
        round->heard.push_back(std::move(status));
        if (round->heard.size() + 1 == shards())
          units_.front()->line().admin_answer(round->answer, std::move(round->heard));
      });
    });
}

void Engine::drain() {
  for (std::uint32_t i = 0; i < shards(); ++i) on(i, [](Unit& unit) { unit.line().drain(); });
}

void Engine::one_drained() {
  if (++drained_ == units_.size()) parts_.supervisor.drained();
}

// On the loop of the shard whose sessions changed what they want.
void Engine::level_changed(std::uint32_t from) {
  for (std::uint32_t i = 0; i < shards(); ++i)
    if (i != from) units_[i]->loop().post([unit = units_[i].get()] { unit->line().apply_common_log_level(); });
}

}  // namespace clawql::engine::shards
