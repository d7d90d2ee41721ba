#include "json/removal.hpp"

namespace clawql::json {

std::string_view removal_of(Value object, std::string_view key) {
  Value first, before;  // the wanted one, where it is the first; the member before it
  for (const auto& [name, value] : object.members()) {
    if (first) return {first.raw().begin(), name.raw().begin()};
    if (name.equals(key)) {
      if (before) return {before.raw().end(), value.raw().end()};
      first = name;
    }
    before = value;
  }
  if (first) return {first.raw().begin(), before.raw().end()};
  return {};
}

}  // namespace clawql::json
