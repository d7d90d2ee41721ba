#include "door/route.hpp"

#include <algorithm>
#include <array>

namespace clawql::door {
namespace {

using base::Reason;
using http::equals_ignoring_case;

// ---- the table of routes

enum class Served : std::uint8_t { clients, local, admin };  // by which listeners
enum class Answerer : std::uint8_t { engine, door };

struct RouteEntry {
  std::string_view path;  // exact, or a prefix when it ends in '/'
  Served served;
  Answerer answerer;
  ipc::Route route;  // of the engine
  bool get, post, delete_;
  std::string_view allow;
};

constexpr std::array kRoutes{
    RouteEntry{"/mcp", Served::clients, Answerer::engine, ipc::Route::mcp, true, true, true, "GET, POST, DELETE"},
    // The old HTTP+SSE transport (2024-11-05): a stream, and the place to send messages for it.
    RouteEntry{"/sse", Served::clients, Answerer::engine, ipc::Route::sse, true, false, false, "GET"},
    RouteEntry{"/message", Served::clients, Answerer::engine, ipc::Route::message, false, true, false, "POST"},
    RouteEntry{"/healthz", Served::clients, Answerer::door, ipc::Route::readyz, true, false, false, "GET"},
    RouteEntry{"/readyz", Served::local, Answerer::engine, ipc::Route::readyz, true, false, false, "GET"},
    RouteEntry{"/metrics", Served::local, Answerer::engine, ipc::Route::metrics, true, false, false, "GET"},
    RouteEntry{"/admin/status", Served::admin, Answerer::engine, ipc::Route::admin, true, false, false, "GET"},
    RouteEntry{"/admin/reload", Served::admin, Answerer::engine, ipc::Route::admin, false, true, false, "POST"},
    RouteEntry{"/admin/servers/", Served::admin, Answerer::engine, ipc::Route::admin, false, true, false, "POST"},
};

// The path as it was sent: nothing is decoded or normalised, so `/x/../mcp` and `//mcp` are simply unknown.
const RouteEntry* find_route(std::string_view path) {
  for (const RouteEntry& entry : kRoutes) {
    const bool prefix = entry.path.ends_with('/');
    if (prefix ? path.starts_with(entry.path) && path.size() > entry.path.size() : path == entry.path) return &entry;
  }
  return nullptr;
}

bool serves(const Listener& listener, Served served) {
  const bool admin = listener.kind == Listener::Kind::admin;
  switch (served) {
    case Served::clients: return !admin;
    case Served::local: return !admin && listener.local;
    case Served::admin: return admin;
  }
  return false;
}

std::optional<ipc::Method> method_of(const RouteEntry& entry, http::Method method) {
  switch (method) {
    case http::Method::get: return entry.get ? std::optional(ipc::Method::get) : std::nullopt;
    case http::Method::post: return entry.post ? std::optional(ipc::Method::post) : std::nullopt;
    case http::Method::delete_: return entry.delete_ ? std::optional(ipc::Method::delete_) : std::nullopt;
    case http::Method::head:
    case http::Method::put:
    case http::Method::options:
    case http::Method::patch:
    case http::Method::other: return std::nullopt;
  }
  return std::nullopt;
}

// ---- the fields that the engine is told of

// What a second field of the same name is. The routing fields of 2026-07-28 repeat what the body says; a client that
// sends two of one gets the answer for a field that differs from the body, which tells it the era as well.
struct ForwardedField {
  std::string_view name;
  ipc::RequestField field;
  Reason repeated;
};
constexpr std::array kForwarded{
    ForwardedField{"mcp-session-id", ipc::RequestField::session_id, Reason::http_syntax},
    ForwardedField{"mcp-protocol-version", ipc::RequestField::protocol_version, Reason::routing_field_repeated},
    ForwardedField{"last-event-id", ipc::RequestField::last_event_id, Reason::http_syntax},
    ForwardedField{"mcp-method", ipc::RequestField::mcp_method, Reason::routing_field_repeated},
    ForwardedField{"mcp-name", ipc::RequestField::mcp_name, Reason::routing_field_repeated},
    ForwardedField{"authorization", ipc::RequestField::authorization, Reason::http_syntax},
    ForwardedField{"traceparent", ipc::RequestField::traceparent, Reason::http_syntax},
};
const ForwardedField* find_forwarded(std::string_view name) {
  for (const ForwardedField& entry : kForwarded)
    if (equals_ignoring_case(entry.name, name)) return &entry;
  return nullptr;
}

// ---- the query of /message

// Exactly `sessionId=` and what may be an id: letters, digits, at most so many. The engine knows which there are.
std::optional<std::string_view> session_of_query(std::string_view query) {
  constexpr std::string_view kKey = "sessionId=";
  constexpr std::size_t kLongestId = 128;
  if (!query.starts_with(kKey)) return std::nullopt;
  query.remove_prefix(kKey.size());
  const auto is_id_character = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z'); };
  if (query.empty() || query.size() > kLongestId || !std::ranges::all_of(query, is_id_character)) return std::nullopt;
  return query;
}

// ---- media types

bool has_json_body(const http::RequestHead& head) {
  const auto type = head.field("content-type");  // none when there are two
  return type && http::is_json_media_type(*type);
}

http::Accepts accepted(const http::RequestHead& head) {
  http::Accepts all;
  for (const http::Field& field : head.fields) {
    if (!equals_ignoring_case(field.name, "accept")) continue;
    const http::Accepts some = http::parse_accept(field.value);
    all.json |= some.json;
    all.event_stream |= some.event_stream;
  }
  return all;
}

std::string_view shown_media(const http::RequestHead& head, std::string_view name) {
  return head.field(name).value_or(std::string_view());
}

}  // namespace

// ---- AdmittedRequest

std::optional<std::string_view> AdmittedRequest::at(std::size_t field, std::string_view head_bytes) const {
  const Place& place = places_[field];
  if (place.begin == Place::kAbsent) return std::nullopt;
  const bool composed = field == static_cast<std::size_t>(ipc::RequestField::target);
  return (composed ? std::string_view(composed_) : head_bytes).substr(place.begin, place.size);
}

void AdmittedRequest::describe(ipc::Open& open, std::string_view head_bytes) const {
  open.route = route_;
  open.method = method_;
  open.accepts_json = accepts_json_;
  open.accepts_event_stream = accepts_event_stream_;
  open.fields.clear();
  for (std::size_t i = 0; i < places_.size(); ++i)
    if (const auto value = at(i, head_bytes)) open.fields.emplace_back(static_cast<ipc::RequestField>(i), *value);
  for (const Place& place : params_)
    open.fields.emplace_back(ipc::RequestField::mcp_param, std::string_view(composed_).substr(place.begin, place.size));
}

std::optional<std::string_view> AdmittedRequest::field(ipc::RequestField id, std::string_view head_bytes) const {
  return at(static_cast<std::size_t>(id), head_bytes);
}

// ---- routing

// Makes AdmittedRequests; there is no other way to one.
class Router {
 public:
  Router(const http::RequestHead& head, std::string_view head_bytes) : head_(head), head_bytes_(head_bytes) {}

  std::expected<AdmittedRequest, Refused> admit(ipc::Route route, ipc::Method method, const base::Limits& limits) {
    request_.route_ = route;
    request_.method_ = method;
    request_.framing_ = head_.framing;
    request_.expects_continue_ = head_.expects_continue;
    request_.keep_alive_ = head_.keep_alive;
    if (const auto refused = check_media(limits)) return std::unexpected(*refused);
    if (const auto refused = forward_fields()) return std::unexpected(*refused);
    if (const auto refused = forward_target()) return std::unexpected(*refused);
    // The head's own limit may be set higher than what goes over in one piece.
    if (forwarded_ + request_.composed_.size() > ipc::kMaxFieldBytes)
      return std::unexpected(Refused{Reason::http_head_too_large});
    return std::move(request_);
  }

 private:
  std::optional<Refused> check_media(const base::Limits& limits) {
    const bool mcp = request_.route_ == ipc::Route::mcp;
    const bool post = request_.method_ == ipc::Method::post;
    const bool message = mcp || request_.route_ == ipc::Route::message;
    const bool has_body = head_.framing.kind != http::Framing::Kind::none;
    if (post && (message || has_body) && !has_json_body(head_))
      return Refused{Reason::media_type, shown_media(head_, "content-type")};
    const http::Accepts accepts = accepted(head_);
    request_.accepts_json_ = accepts.json;
    request_.accepts_event_stream_ = accepts.event_stream;
    // Clients of 2024-11-05 need not say what they take as the answer to a message: it is on its way already.
    if ((mcp && post && !(accepts.json && accepts.event_stream)) ||
        (request_.is_event_stream() && !accepts.event_stream))
      return Refused{Reason::not_acceptable, shown_media(head_, "accept")};
    if (head_.framing.kind == http::Framing::Kind::length && head_.framing.length > limits.request_body)
      return Refused{Reason::body_too_large, shown_media(head_, "content-length")};
    return std::nullopt;
  }

  // One value a field: of two, the engine and a server could believe different ones.
  std::optional<Refused> forward_fields() {
    for (const http::Field& field : head_.fields) {
      if (param_name(field.name)) {
        if (const auto refused = forward_param(field)) return refused;
        continue;
      }
      const ForwardedField* known = find_forwarded(field.name);
      if (known == nullptr) continue;
      AdmittedRequest::Place& place = place_of(known->field);
      if (place.begin != AdmittedRequest::Place::kAbsent) return Refused{known->repeated, field.name};
      place = in_head(field.value);
    }
    return std::nullopt;
  }

  std::optional<Refused> forward_param(const http::Field& field) {
    const std::string_view name = *param_name(field.name);
    for (const AdmittedRequest::Place& place : request_.params_) {
      const std::string_view known = std::string_view(request_.composed_).substr(place.begin, place.size);
      if (equals_ignoring_case(known.substr(0, known.find(':')), name))
        return Refused{Reason::routing_field_repeated, field.name};
    }
    request_.params_.push_back(compose(name, ": ", field.value));
    if (request_.params_.size() > kMaxParams || request_.composed_.size() > kMaxParamBytes)
      return Refused{Reason::http_head_too_large, field.name};
    return std::nullopt;
  }

  // What the target says beyond the route. A query that names no session is answered as one that names an unknown one;
  // a session field beside it names none that could be meant.
  std::optional<Refused> forward_target() {
    if (request_.route_ == ipc::Route::admin)
      place_of(ipc::RequestField::target) = compose(head_.path, head_.query.empty() ? "" : "?", head_.query);
    if (request_.route_ != ipc::Route::message) return std::nullopt;
    const auto session = session_of_query(head_.query);
    if (!session) return Refused{Reason::session_unknown};
    place_of(ipc::RequestField::session_id) = in_head(*session);
    return std::nullopt;
  }

  AdmittedRequest::Place& place_of(ipc::RequestField field) {
    return request_.places_[static_cast<std::size_t>(field)];
  }

  AdmittedRequest::Place in_head(std::string_view value) {
    forwarded_ += value.size();
    const auto begin = value.empty() ? 0 : value.data() - head_bytes_.data();
    return {static_cast<std::uint32_t>(begin), static_cast<std::uint32_t>(value.size())};
  }

  AdmittedRequest::Place compose(std::string_view a, std::string_view b, std::string_view c) {
    std::string& text = request_.composed_;
    const auto begin = static_cast<std::uint32_t>(text.size());
    text.append(a).append(b).append(c);
    return {begin, static_cast<std::uint32_t>(text.size() - begin)};
  }

  const http::RequestHead& head_;
  std::string_view head_bytes_;
  std::size_t forwarded_ = 0;  // bytes of the head that are
  AdmittedRequest request_;
};

std::expected<Routed, Refused> route(const GuardedRequest& request, const Listener& listener,
                                     const base::Limits& limits, std::string_view head_bytes) {
  const http::RequestHead& head = request.head();
  const RouteEntry* entry = find_route(head.path);
  // CONNECT names no path: it is the method that does not exist here.
  if (entry == nullptr && head.path == "*" && head.method == http::Method::other)
    return std::unexpected(Refused{Reason::method_not_allowed, head.method_text, "GET, POST, DELETE"});
  if (entry == nullptr) return std::unexpected(Refused{Reason::route_unknown, head.path});
  if (!serves(listener, entry->served)) return std::unexpected(Refused{Reason::listener_not_served, head.path});
  if (is_preflight(head)) {
    if (request.listed_origin().empty())
      return std::unexpected(Refused{Reason::origin_not_allowed, shown_media(head, "origin"), {}, &request.list()});
    return PreflightAnswer{entry->allow, allowed_fields(head)};
  }
  const auto method = method_of(*entry, head.method);
  if (!method) return std::unexpected(Refused{Reason::method_not_allowed, head.method_text, entry->allow});
  if (entry->answerer == Answerer::door) return HealthAnswer{};
  auto admitted = Router(head, head_bytes).admit(entry->route, *method, limits);
  if (!admitted) return std::unexpected(admitted.error());
  return Routed(*std::move(admitted));
}

}  // namespace clawql::door
