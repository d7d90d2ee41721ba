#include "engine/upstream/remote_server.hpp"

#include <utility>

#include "engine/upstream/imports.hpp"

namespace clawql::engine::upstream {

RemoteServer::RemoteServer(Imports& imports, Observer& observer, std::uint32_t owner,
                           const ipc::ServerSettings& settings, std::string key)
    : imports_(imports),
      observer_(observer),
      owner_(owner),
      name_(settings.name),
      key_(std::move(key)),
      prefix_(settings.prefix) {
  if (settings.eager) expect_start();
}

void RemoteServer::expect_start() {
  woken_ = true;
  view_.state = State::starting;
  view_.worth_waiting = true;
  patience_until_ = imports_.loop().now() + kListPatience;
}

bool RemoteServer::worth_waiting_for() const {
  return view_.worth_waiting && imports_.loop().now() < patience_until_;
}

void RemoteServer::is(ServerView view) {
  if (woken_ && view.state == State::stopped) return;
  woken_ = false;
  const ServerView before = std::exchange(view_, std::move(view));
  if (view_.worth_waiting && !before.worth_waiting) patience_until_ = imports_.loop().now() + kListPatience;
  if (view_.offer != before.offer) observer_.on_offer_changed(*this);
  if (before.worth_waiting && !view_.worth_waiting) observer_.on_settled(*this);
}

Description RemoteServer::describe() const {
  return {.name = name_,
          .kind = name_ == "clawql" ? "built-in" : "stdio",
          .state = view_.state,
          .reason = view_.reason,
          .last_stderr = {},
          .server_name = {},
          .server_version = {},
          .protocol_version = {},
          .features = view_.offer->features,
          .tools = view_.offer->list(ListKind::tools).size(),
          .resources = view_.offer->list(ListKind::resources).size(),
          .prompts = view_.offer->list(ListKind::prompts).size(),
          .not_offered = {}};
}

std::optional<CallId> RemoteServer::call(const OutgoingRequest& request, CallSink& sink) {
  return imports_.call(*this, request, sink);
}

void RemoteServer::cancel(CallId call, std::string_view reason) {
  imports_.cancel(*this, call, reason);
}

void RemoteServer::subscribe(std::string_view uri) {
  if (subscriptions_.add(uri)) imports_.subscribe(*this, uri);
}

void RemoteServer::unsubscribe(std::string_view uri) {
  if (subscriptions_.remove(uri)) imports_.unsubscribe(*this, uri);
}

void RemoteServer::send(std::string_view message) {
  imports_.send(*this, message);
}

void RemoteServer::wake() {
  if (view_.state != State::stopped) return;
  expect_start();
  imports_.wake(*this);
}

}  // namespace clawql::engine::upstream
