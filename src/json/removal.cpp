#include "json/removal.hpp"

namespace clawql::json {
namespace {

std::string_view between(const char* begin, const char* end) {
  return {begin, static_cast<std::size_t>(end - begin)};
}
const char* end_of(Value value) {
  return value.raw().data() + value.raw().size();
}

}  // namespace

std::string_view removal_of(Value object, std::string_view key) {
  Value first, before;  // the wanted one, where it is the first; the member before it
  for (const auto& [name, value] : object.members()) {
    if (first) return between(first.raw().data(), name.raw().data());
    if (name.equals(key)) {
      if (before) return between(end_of(before), end_of(value));
      first = name;
    }
    before = value;
  }
  return first ? between(first.raw().data(), end_of(before)) : std::string_view{};
}

}  // namespace clawql::json
