#include "engine/mcp/cursor.hpp"

#include <fmt/format.h>

#include "base/decimal.hpp"
#include "engine/audit/audit.hpp"
#include "engine/mcp/random.hpp"

namespace clawql::engine::mcp {
namespace {

constexpr std::size_t kCheckLength = 32;  // hex characters: 128 bits
constexpr std::size_t kLongest = 20 + 1 + 20 + 1 + kCheckLength;

}  // namespace

Result<CursorSeal> CursorSeal::make() {
  CLAWQL_TRY(const auto bytes, random_bytes());
  return CursorSeal(std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
}

// The key is hashed on both sides of a body of few shapes, so nothing can be appended to a known check.
std::string CursorSeal::check(std::string_view body) const {
  return audit::sha256_hex(fmt::format("{}{}{}", key_, body, key_)).substr(0, kCheckLength);
}

std::string CursorSeal::seal(const Position& position) const {
  std::string body = fmt::format("{}.{}", position.generation, position.index);
  const std::string tag = check(body);
  return body + '.' + tag;
}

std::optional<Position> CursorSeal::open(std::string_view cursor) const {
  if (cursor.size() > kLongest) return std::nullopt;
  const std::size_t first = cursor.find('.');
  const std::size_t last = cursor.rfind('.');
  if (first == std::string_view::npos || first == last) return std::nullopt;
  const auto generation = base::parse_decimal<std::uint64_t>(cursor.substr(0, first));
  const auto index = base::parse_decimal<std::uint64_t>(cursor.substr(first + 1, last - first - 1));
  if (!generation || !index) return std::nullopt;
  if (!equal_in_constant_time(check(cursor.substr(0, last)), cursor.substr(last + 1))) return std::nullopt;
  return Position{*generation, *index};
}

}  // namespace clawql::engine::mcp
