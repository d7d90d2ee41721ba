#include "door/guard.hpp"

#include <algorithm>

namespace clawql::door {
namespace {

using base::Reason;

// RFC 9112 section 3.2.2 lets an absolute target win over Host; here both must say the same.
bool target_agrees(const http::RequestHead& head) {
  if (!head.target_authority) return true;
  return head.target_authority->host == head.host->host && head.target_authority->port == head.host->port;
}

// The page's browser says that another site sent it. Without an Origin (image, script, no-cors GET) nothing else tells.
bool is_cross_site(const http::RequestHead& head) {
  return std::ranges::any_of(head.fields, [](const http::Field& field) {
    return http::equals_ignoring_case(field.name, "sec-fetch-site") &&
           http::equals_ignoring_case(field.value, "cross-site");
  });
}

}  // namespace

std::expected<GuardedRequest, Refused> guard(const http::RequestHead& head, const AllowList& list) {
  if (!head.host) return std::unexpected(Refused{Reason::http_host_missing, {}});
  if (!target_agrees(head)) return std::unexpected(Refused{Reason::http_target_syntax, head.host->host.text()});
  if (!list.allows_host(head.host->host))
    return std::unexpected(Refused{Reason::host_not_allowed, head.host->host.text(), {}, &list});

  std::string_view origin;
  std::size_t origins = 0;
  for (const http::Field& field : head.fields) {
    if (!http::equals_ignoring_case(field.name, "origin")) continue;
    origin = field.value;
    ++origins;
  }
  if (origins == 0) {
    if (is_cross_site(head)) return std::unexpected(Refused{Reason::cross_site_fetch, "Sec-Fetch-Site: cross-site"});
    return GuardedRequest(head, list, {});
  }
  if (origins > 1 || !list.allows_origin(origin))
    return std::unexpected(Refused{Reason::origin_not_allowed, origin, {}, &list});
  return GuardedRequest(head, list, list.lists_origin(origin) ? origin : std::string_view());
}

}  // namespace clawql::door
