#include "engine/mcp/subscriptions.hpp"

#include <vector>

namespace clawql::engine::mcp {

bool Subscriptions::add(Subscriber& subscriber, const std::string& uri, upstream::Server& server) {
  if (!by_subscriber_[&subscriber].emplace(uri, &server).second) return false;
  auto [place, is_new] = topics_.try_emplace(Topic{uri, &server});
  place->second.insert(&subscriber);
  if (is_new) server.subscribe(uri);
  return true;
}

bool Subscriptions::remove(Subscriber& subscriber, std::string_view uri) {
  const auto own = by_subscriber_.find(&subscriber);
  if (own == by_subscriber_.end()) return false;
  const auto entry = own->second.find(uri);
  if (entry == own->second.end()) return false;
  upstream::Server* const server = entry->second;
  const auto topic = topics_.find(Topic{uri, server});
  own->second.erase(entry);
  if (own->second.empty()) by_subscriber_.erase(own);
  topic->second.erase(&subscriber);
  if (!topic->second.empty()) return true;
  if (server != nullptr) server->unsubscribe(topic->first.first);
  topics_.erase(topic);
  return true;
}

void Subscriptions::remove_all(Subscriber& subscriber) {
  const auto own = by_subscriber_.find(&subscriber);
  if (own == by_subscriber_.end()) return;
  const auto uris = own->second;
  for (const auto& [uri, server] : uris) remove(subscriber, uri);
}

std::size_t Subscriptions::count(const Subscriber& subscriber) const {
  const auto own = by_subscriber_.find(&subscriber);
  return own == by_subscriber_.end() ? 0 : own->second.size();
}

// The URI may be of a part of what was subscribed to (MCP, "resource updated"): "file:///a/b" is one of "file:///a" and
// of "file:///a/".
void Subscriptions::updated(upstream::Server& server, std::string_view uri) {
  std::unordered_set<Subscriber*> hearers;
  const auto add_topic = [&](std::string_view topic_uri) {
    const auto found = topics_.find(Topic{topic_uri, &server});
    if (found != topics_.end()) hearers.insert(found->second.begin(), found->second.end());
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
  std::vector<Topic> moving;
  for (const auto& [topic, subscribers] : topics_)
    if (topic.second == &server) moving.push_back(topic);
  for (const Topic& topic : moving) {
    const auto from = topics_.extract(topic);
    upstream::Server* const to = find(topic.first);
    auto [place, is_new] = topics_.try_emplace(Topic{topic.first, to});
    for (Subscriber* const subscriber : from.mapped()) {
      place->second.insert(subscriber);
      by_subscriber_[subscriber].find(topic.first)->second = to;
    }
    if (is_new && to != nullptr) to->subscribe(topic.first);
  }
}

}  // namespace clawql::engine::mcp
