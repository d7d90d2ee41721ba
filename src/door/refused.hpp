// A refusal at the door, as a value: the reason decides all that the caller gets; the rest is for the operator alone.
#pragma once

#include <string>
#include <string_view>

#include "base/refusal.hpp"
#include "door/allow_list.hpp"

namespace clawql::door {

struct Refused {
  base::Reason reason;
  std::string_view offered = {};    // the Host, Origin, path … that was refused: hostile, and borrowed from the request
  std::string_view allow = {};      // for 405: the methods of the route
  const AllowList* list = nullptr;  // set by the guard: it knows the configuration line that would allow the value
};

// That line, or empty where none would: `allowedHosts: ["evil.example"] in /etc/clawql/clawql.yaml`.
std::string remedy(const Refused& refused);

}  // namespace clawql::door
