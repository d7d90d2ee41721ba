// What a server may ask of a client: each of these only when that client declared it, and only in a process that serves
// this client alone (MCP 2025-11-25, client/sampling, elicitation and roots).
#pragma once

#include <array>
#include <string_view>
#include <vector>

#include "engine/upstream/role.hpp"
#include "json/document.hpp"

namespace clawql::engine::upstream {

struct ClientFeature {
  std::string_view name;    // in the client's capabilities
  std::string_view method;  // of the server's request
};
inline constexpr std::array kClientFeatures{
    ClientFeature{"sampling", "sampling/createMessage"},
    ClientFeature{"elicitation", "elicitation/create"},
    ClientFeature{"roots", "roots/list"},
};

class OfferedFeatures {
 public:
  explicit OfferedFeatures(const Role& role) {
    if (role.kind != Role::Kind::session) return;
    const auto declared = json::Document::parse(role.client_capabilities, {.bytes = kCapabilitiesBytes});
    if (!declared) return;
    for (const ClientFeature& feature : kClientFeatures)
      if (declared->root().find(feature.name).is(json::Kind::object)) offered_.push_back(&feature);
  }
  bool any() const { return !offered_.empty(); }
  bool has(const ClientFeature& feature) const {
    for (const ClientFeature* each : offered_)
      if (each == &feature) return true;
    return false;
  }
  // Null when this is no request for a client's feature.
  static const ClientFeature* asked_by(json::Value method) {
    for (const ClientFeature& feature : kClientFeatures)
      if (method.equals(feature.method)) return &feature;
    return nullptr;
  }

 private:
  static constexpr std::size_t kCapabilitiesBytes = 64U << 10;
  std::vector<const ClientFeature*> offered_;
};

}  // namespace clawql::engine::upstream
