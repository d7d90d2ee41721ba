// Who wants to hear when a resource changes. A server is asked once for each URI, however many clients listen; it is
// told when the last one stops.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

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
  void updated(const upstream::Server& server, std::string_view uri);
  // The server goes; whoever subscribed to something of it goes over to whom `find` names (null: nobody).
  void move_from(const upstream::Server& server, const std::function<upstream::Server*(std::string_view uri)>& find);

 private:
  struct Topic {
    upstream::Server* server;  // null: nobody serves it any more
    std::unordered_set<Subscriber*> subscribers;
  };
  std::map<std::string, Topic, std::less<>> topics_;  // by URI
  std::unordered_map<const Subscriber*, std::set<std::string, std::less<>>> by_subscriber_;
};

}  // namespace clawql::engine::mcp
