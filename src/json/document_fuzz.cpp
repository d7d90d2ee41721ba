// Any bytes as JSON, against simdjson: what it refuses we refuse, but for numbers that it cannot hold; what we refuse
// and it takes, we refuse for a reason of our own. And what we take, we can take apart and find again.
#include <simdjson.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>

#include "base/check.hpp"
#include "json/document.hpp"
#include "json/writer.hpp"

namespace {

using clawql::json::Document;
using clawql::json::Kind;
using clawql::json::Value;

// simdjson takes these: it does not look at keys, counts no values, and joins some lone surrogates.
bool is_reason_of_our_own(std::string_view why) {
  constexpr std::array<std::string_view, 4> kReasons{"duplicate key", "too deep", "lone surrogate", "too many values"};
  return std::ranges::find(kReasons, why) != kReasons.end();
}

bool holds_number_out_of_range(Value value) {
  if (value.is(Kind::number))
    return value.raw().size() > 15 || value.raw().find_first_of("eE") != std::string_view::npos;
  for (const Value element : value.elements())
    if (holds_number_out_of_range(element)) return true;
  for (const auto [key, member] : value.members())
    if (holds_number_out_of_range(member)) return true;
  return false;
}

void compare(const simdjson::dom::element& theirs, Value ours) {
  switch (ours.kind()) {
    case Kind::null: CLAWQL_CHECK(theirs.is_null()); return;
    case Kind::boolean: CLAWQL_CHECK(theirs.get_bool().value() == *ours.boolean()); return;
    case Kind::number:
      CLAWQL_CHECK(theirs.is_number());
      if (const auto value = ours.int64(); value && ours.raw() != "-0")
        CLAWQL_CHECK(theirs.get_int64().value() == *value);
      return;
    case Kind::string: {
      const std::string_view text = theirs.get_string().value();
      CLAWQL_CHECK(*ours.string() == text && ours.equals(text));
      return;
    }
    case Kind::array: {
      const auto array = theirs.get_array().value();
      auto at = ours.elements().begin();
      for (const auto element : array) compare(element, *at++);
      CLAWQL_CHECK(at == ours.elements().end());
      return;
    }
    case Kind::object: {
      const auto object = theirs.get_object().value();
      auto at = ours.members().begin();
      for (const auto member : object) {
        CLAWQL_CHECK((*at).key.equals(member.key));
        CLAWQL_CHECK(ours.find(member.key).raw().data() == (*at).value.raw().data());
        compare(member.value, (*at++).value);
      }
      CLAWQL_CHECK(at == ours.members().end());
      return;
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // In an allocation of its size, so that a read beyond it is seen.
  const auto bytes = std::make_unique<char[]>(size);
  std::memcpy(bytes.get(), data, size);
  const std::string_view text(bytes.get(), size);
  const auto ours = Document::parse(text, {});

  static simdjson::dom::parser parser;
  simdjson::dom::element theirs;
  const auto error = parser.parse(text.data(), text.size(), true).get(theirs);
  if (!ours) {
    CLAWQL_CHECK(ours.error().offset <= size);
    CLAWQL_CHECK(error != simdjson::SUCCESS || is_reason_of_our_own(ours.error().why));
    return 0;
  }
  if (error == simdjson::NUMBER_ERROR) {
    CLAWQL_CHECK(holds_number_out_of_range(ours->root()));
    return 0;
  }
  CLAWQL_CHECK(error == simdjson::SUCCESS);
  compare(theirs, ours->root());
  return 0;
}
