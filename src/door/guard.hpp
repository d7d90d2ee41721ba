// The guard: who may speak to this gateway at all. It runs on every request, on every route and listener, before
// anything looks at the path, because binding to loopback and a firewall do not stop a web page whose name was rebound
// to this machine (Host) or that posts across sites (Origin). There is no switch. Routing takes a GuardedRequest, and
// only the guard can make one: promise P2 is kept by the compiler.
#pragma once

#include <expected>
#include <string_view>

#include "door/allow_list.hpp"
#include "door/refused.hpp"
#include "http/request.hpp"

namespace clawql::door {

// A request that passed the guard. Borrows the head, and lives as long as that.
class GuardedRequest {
 public:
  const http::RequestHead& head() const { return *head_; }
  // The request's Origin where the configuration lists it letter by letter (it gets CORS fields), else empty.
  std::string_view listed_origin() const { return listed_origin_; }
  const AllowList& list() const { return *list_; }  // the one it was judged by

 private:
  friend std::expected<GuardedRequest, Refused> guard(const http::RequestHead& head, const AllowList& list);
  GuardedRequest(const http::RequestHead& head, const AllowList& list, std::string_view listed_origin)
      : head_(&head), list_(&list), listed_origin_(listed_origin) {}
  const http::RequestHead* head_;
  const AllowList* list_;
  std::string_view listed_origin_;
};

// Forwarded and X-Forwarded-* headers never count here; neither does the address we listen on.
std::expected<GuardedRequest, Refused> guard(const http::RequestHead& head, const AllowList& list);

}  // namespace clawql::door
