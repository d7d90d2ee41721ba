// Taking a member out of an object without writing the object again (promise P6).
#pragma once

#include <string_view>

#include "json/document.hpp"

namespace clawql::json {

// The bytes without which `object` lacks this member and is still JSON: the member and one of the commas beside it.
// Empty where there is no such member.
std::string_view removal_of(Value object, std::string_view key);

}  // namespace clawql::json
