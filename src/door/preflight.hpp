// What a browser hears that asks before it lets a page send (Fetch, section 3.2): which methods and which fields.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "http/request.hpp"

namespace clawql::door {

struct PreflightAnswer {
  std::string_view allow;      // methods of the route, comma separated
  std::string allowed_fields;  // see allowed_fields()
};

bool is_preflight(const http::RequestHead& head);
// NAME of `Mcp-Param-NAME`, an argument that 2026-07-28 mirrors into the request's head; nullopt for other fields.
std::optional<std::string_view> param_name(std::string_view field);
// The fields that a page may send: a fixed list, and of those that were asked for each Mcp-Param-NAME, since a list
// cannot say "all that begin with". A list that is out of grammar, or longer than a request may be, adds nothing.
std::string allowed_fields(const http::RequestHead& head);

}  // namespace clawql::door
