#include "engine/upstream/instance.hpp"

#include <algorithm>

#include "engine/upstream/instances.hpp"

namespace clawql::engine::upstream {

Instance::Instance(Instances& all, const ipc::ServerSettings& settings, const InstanceOrder& order,
                   Server::Observer& observer)
    : all_(all), settings_(settings), order_(order), observer_(observer), idle_(all.parts().loop, [this] {
        look_whether_idle();
      }) {
  all_.live_.push_back(this);
}

Instance::~Instance() {
  std::erase(all_.live_, this);
}

// ---- its process

bool Instance::start() {
  if (process_) {
    process_->wake();
    return true;
  }
  if (ended_) return false;
  over_limit_ = !all_.parts().counts.take(settings_.name, settings_.max_instances, all_.limits().instances);
  if (over_limit_) return false;
  const Instances::Parts& parts = all_.parts();
  Server::Observer& self = *this;
  Role role{.kind = order_.kind, .instance = all_.numbers().next(), .client_capabilities = order_.client_capabilities};
  process_ = std::make_unique<StdioServer>(
      StdioServer::Parts{parts.loop, parts.launcher, self, parts.log, parts.metrics, all_.numbers()}, settings_,
      all_.limits(), std::move(role));
  if (!log_level_.empty()) process_->set_log_level(log_level_);
  for (const auto& [uri, count] : subscriptions_.uris()) process_->subscribe(uri);
  last_used_ = parts.loop.now();
  idle_.set(std::chrono::seconds(settings_.instance_idle_seconds));
  process_->wake();
  return true;
}

// It may be on the stack, so it lives until the next turn.
void Instance::let_go() {
  if (!process_) return;
  idle_.clear();
  all_.parts().launcher.stop(settings_.name, number());
  keep_until_ = {};
  all_.parts().counts.give_back(settings_.name);
  process_->retire();
  all_.parts().loop.post([kept = std::move(process_)] {});
}

void Instance::end() {
  ended_ = true;
  let_go();
}

void Instance::look_whether_idle() {
  const base::Microseconds now = all_.parts().loop.now();
  const base::Microseconds limit = std::chrono::seconds(settings_.instance_idle_seconds);
  if (!subscriptions_.empty() || process_->describe().calls_in_flight > 0 || keep_until_ > now) last_used_ = now;
  const base::Microseconds left = limit - (now - last_used_);
  if (left.count() > 0) return idle_.set(std::chrono::ceil<base::Milliseconds>(left));
  all_.parts().log.info("server.idle", {{"server", settings_.name}, {"of", order_.owner}});
  let_go();
}

void Instance::started(Pipes pipes) {
  process_->started(std::move(pipes));
}

void Instance::exited(const ipc::ServerExited& exit) {
  process_->exited(exit);
}

// A changed entry makes its process another one, which starts when it is asked for next.
void Instance::change(const ipc::ServerSettings& settings) {
  settings_ = settings;
  if (process_) process_->change(settings, all_.limits());
}

// ---- as a server

bool Instance::worth_waiting_for() const {
  return process_ && offer_->is_empty() && process_->worth_waiting_for();
}

Description Instance::describe() const {
  if (process_) return process_->describe();
  Description nothing;
  nothing.name = settings_.name;
  nothing.kind = "stdio";
  return nothing;
}

std::optional<CallId> Instance::call(const OutgoingRequest& request, CallSink& sink) {
  if (request.generation != 0 && request.generation != generation()) {
    sink.on_failure({base::Reason::task_lost, "server " + settings_.name + ": its process is another one now"});
    return std::nullopt;
  }
  if (!start()) {
    sink.on_failure(
        {base::Reason::instance_limit, "server " + settings_.name + ": it has as many instances as it may"});
    return std::nullopt;
  }
  last_used_ = all_.parts().loop.now();
  return process_->call(request, sink);
}

void Instance::cancel(CallId call, std::string_view reason) {
  if (process_) process_->cancel(call, reason);
}

void Instance::set_log_level(std::string_view level) {
  log_level_ = level;
  if (process_) process_->set_log_level(level);
}

void Instance::subscribe(std::string_view uri) {
  if (subscriptions_.add(uri) && process_) process_->subscribe(uri);
}

void Instance::unsubscribe(std::string_view uri) {
  if (subscriptions_.remove(uri) && process_) process_->unsubscribe(uri);
}

void Instance::send(std::string_view message) {
  if (!process_) return;
  last_used_ = all_.parts().loop.now();
  process_->send(message);
}

// ---- what its process tells is told as its own

void Instance::take_offer() {
  if (offer_ == process_->offer()) return;
  offer_ = process_->offer();
  observer_.on_offer_changed(*this);
}

void Instance::on_offer_changed(Server& /*server*/) {
  take_offer();
}

void Instance::on_settled(Server& /*server*/) {
  take_offer();
  observer_.on_settled(*this);
}

void Instance::on_notification(Server& /*server*/, const json::Document& message) {
  observer_.on_notification(*this, message);
}

void Instance::on_request(Server& /*server*/, const json::Document& message) {
  last_used_ = all_.parts().loop.now();
  observer_.on_request(*this, message);
}

}  // namespace clawql::engine::upstream
