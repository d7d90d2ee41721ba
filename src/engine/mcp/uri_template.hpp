// Whether a URI can have been made from a URI template (RFC 6570), as far as routing needs it: literals must be there
// in their order, a simple expression stands for one or more characters other than `/`, and one with an operator
// (`+ # . / ; ? &`) for any characters, also none.
#pragma once

#include <string_view>

namespace clawql::engine::mcp {

// In time linear in |template| × |uri| at worst. False where the template is out of grammar (a brace without its end).
bool matches_template(std::string_view uri_template, std::string_view uri);

}  // namespace clawql::engine::mcp
