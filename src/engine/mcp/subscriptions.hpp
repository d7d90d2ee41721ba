// Who wants to hear when a resource changes. A server is asked once for each URI, however many clients listen; it is
// told when the last one stops.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "engine/upstream/server.hpp"

namespace clawql::engine::mcp {

class Subscriber {
 public:
  // A resource that it subscribed to, or one below it, has changed.
  virtual void on_resource_updated(std::string_view uri) = 0;

 protected:
  ~Subscriber() = default;
};

class Subscriptions {
 public:
  // False: it has this one already.
  bool add(Subscriber& subscriber, const std::string& uri, upstream::Server& server);
  bool remove(Subscriber& subscriber, std::string_view uri);
  void remove_all(Subscriber& subscriber);
  std::size_t count(const Subscriber& subscriber) const;
  // A server says that a resource changed: those who subscribed to it there, or to what it is a part of, hear of it.
  void updated(upstream::Server& server, std::string_view uri);
  // The server goes; whoever subscribed to something of it goes over to whom `find` names (null: nobody).
  void move_from(const upstream::Server& server, const std::function<upstream::Server*(std::string_view uri)>& find);

 private:
  // The same URI may be served by different servers to different clients. Null: nobody serves it any more.
  using Topic = std::pair<std::string, upstream::Server*>;
  std::map<Topic, std::unordered_set<Subscriber*>> topics_;
  std::unordered_map<const Subscriber*, std::map<std::string, upstream::Server*, std::less<>>> by_subscriber_;
};

}  // namespace clawql::engine::mcp
