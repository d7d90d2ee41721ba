// What a guarded request asks for: route, method, media type and declared size, all from the head (perimeter order:
// 404, 405, 415, 406, 413). A table of routes decides; whatever is not in it is not found. The result is an
// AdmittedRequest, the only thing that can be handed over to the engine.
#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/limits.hpp"
#include "door/guard.hpp"
#include "door/preflight.hpp"
#include "http/request.hpp"
#include "ipc/messages.hpp"

namespace clawql::door {

// Mcp-Param-* fields of a request (2026-07-28): with more, or with longer ones (names and values together), it is
// refused as a head that is too large.
inline constexpr std::size_t kMaxParams = 32;
inline constexpr std::size_t kMaxParamBytes = 8U << 10;

// Where a connection arrived. Locality is decided by the listener, never by a header.
struct Listener {
  std::uint16_t id = 0;
  enum class Kind : std::uint8_t { unix_socket, tcp, admin } kind = Kind::tcp;
  bool local = false;  // serves /readyz and /metrics
  std::string label;
};

// A request that passed the guard and has a route. It holds places in its head instead of views, so that it can wait
// for its body while the head's bytes move.
class AdmittedRequest {
 public:
  ipc::Route route() const { return route_; }
  ipc::Method method() const { return method_; }
  bool is_event_stream() const {
    return (route_ == ipc::Route::mcp || route_ == ipc::Route::sse) && method_ == ipc::Method::get;
  }
  bool takes_body() const { return method_ == ipc::Method::post; }
  const http::Framing& framing() const { return framing_; }
  bool expects_continue() const { return expects_continue_; }
  bool keep_alive() const { return keep_alive_; }

  // Fills `open` with all but listener, peer and body. `head_bytes`: the bytes the head was parsed from, wherever they
  // are now; `open` points into them and into this.
  void describe(ipc::Open& open, std::string_view head_bytes) const;
  // A field that is forwarded, nullopt when it was not sent.
  std::optional<std::string_view> field(ipc::RequestField id, std::string_view head_bytes) const;

 private:
  friend class Router;
  struct Place {
    static constexpr std::uint32_t kAbsent = ~std::uint32_t{0};
    std::uint32_t begin = kAbsent;
    std::uint32_t size = 0;
  };
  AdmittedRequest() = default;
  std::optional<std::string_view> at(std::size_t field, std::string_view head_bytes) const;

  ipc::Route route_ = ipc::Route::mcp;
  ipc::Method method_ = ipc::Method::get;
  bool accepts_json_ = false;
  bool accepts_event_stream_ = false;
  bool expects_continue_ = false;
  bool keep_alive_ = true;
  http::Framing framing_;
  std::array<Place, ipc::kRequestFieldCount>
      places_;                 // by RequestField; `target` is in composed_, the others in the head
  std::vector<Place> params_;  // Mcp-Param-*, in composed_
  std::string composed_;
};

// Answers the door gives itself.
struct HealthAnswer {};
using Routed = std::variant<AdmittedRequest, HealthAnswer, PreflightAnswer>;

// `head_bytes` are those that `request`'s head was parsed from.
std::expected<Routed, Refused> route(const GuardedRequest& request, const Listener& listener,
                                     const base::Limits& limits, std::string_view head_bytes);

}  // namespace clawql::door
