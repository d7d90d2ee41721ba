#include "engine/mcp/subscriptions.hpp"

namespace clawql::engine::mcp {

bool Subscriptions::add(Subscriber& subscriber, const std::string& uri, upstream::Server& server) {
  if (!by_subscriber_[&subscriber].insert(uri).second) return false;
  auto [place, is_new] = topics_.try_emplace(uri, Topic{&server, {}});
  place->second.subscribers.insert(&subscriber);
  if (is_new) server.subscribe(uri);
  return true;
}

bool Subscriptions::remove(Subscriber& subscriber, std::string_view uri) {
  const auto found = topics_.find(uri);
  if (found == topics_.end() || found->second.subscribers.erase(&subscriber) == 0) return false;
  const auto own = by_subscriber_.find(&subscriber);
  own->second.erase(own->second.find(uri));
  if (own->second.empty()) by_subscriber_.erase(own);
  if (!found->second.subscribers.empty()) return true;
  if (found->second.server != nullptr) found->second.server->unsubscribe(uri);
  topics_.erase(found);
  return true;
}

void Subscriptions::remove_all(Subscriber& subscriber) {
  const auto own = by_subscriber_.find(&subscriber);
  if (own == by_subscriber_.end()) return;
  const auto uris = own->second;
  for (const std::string& uri : uris) remove(subscriber, uri);
}

std::size_t Subscriptions::count(const Subscriber& subscriber) const {
  const auto own = by_subscriber_.find(&subscriber);
  return own == by_subscriber_.end() ? 0 : own->second.size();
}

// The URI may be of a part of what was subscribed to (MCP, "resource updated"): "file:///a/b" is one of "file:///a" and
// of "file:///a/".
void Subscriptions::updated(const upstream::Server& server, std::string_view uri) {
  std::unordered_set<Subscriber*> hearers;
  const auto add_topic = [&](std::string_view topic_uri) {
    const auto found = topics_.find(topic_uri);
    if (found != topics_.end() && found->second.server == &server)
      hearers.insert(found->second.subscribers.begin(), found->second.subscribers.end());
  };
  add_topic(uri);
  for (std::size_t slash = uri.find('/'); slash != std::string_view::npos; slash = uri.find('/', slash + 1)) {
    add_topic(uri.substr(0, slash));
    if (slash + 1 < uri.size()) add_topic(uri.substr(0, slash + 1));
  }
  for (Subscriber* hearer : hearers) hearer->on_resource_updated(uri);
}

void Subscriptions::move_from(const upstream::Server& server,
                              const std::function<upstream::Server*(std::string_view uri)>& find) {
  for (auto& [uri, topic] : topics_) {
    if (topic.server != &server) continue;
    topic.server = find(uri);
    if (topic.server != nullptr) topic.server->subscribe(uri);
  }
}

}  // namespace clawql::engine::mcp
