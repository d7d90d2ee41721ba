#include "engine/mcp/cursor.hpp"

#include <fmt/format.h>

#include <array>

#include "base/decimal.hpp"
#include "engine/audit/audit.hpp"
#include "engine/mcp/random.hpp"

namespace clawql::engine::mcp {
namespace {

constexpr std::size_t kCheckLength = 32;  // hex characters: 128 bits
constexpr std::size_t kNumbers = 3;
constexpr std::size_t kLongest = kNumbers * (20 + 1) + kCheckLength;

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
  std::string body = fmt::format("{}.{}.{}", position.list, position.generation, position.index);
  const std::string tag = check(body);
  return body + '.' + tag;
}

std::optional<Position> CursorSeal::open(std::string_view cursor) const {
  if (cursor.size() > kLongest) return std::nullopt;
  std::array<std::uint64_t, kNumbers> numbers{};
  std::string_view rest = cursor;
  for (std::uint64_t& number : numbers) {
    const std::size_t dot = rest.find('.');
    if (dot == std::string_view::npos) return std::nullopt;
    const auto read = base::parse_decimal<std::uint64_t>(rest.substr(0, dot));
    if (!read) return std::nullopt;
    number = *read;
    rest.remove_prefix(dot + 1);
  }
  const std::string_view body = cursor.substr(0, cursor.size() - rest.size() - 1);
  if (!equal_in_constant_time(check(body), rest)) return std::nullopt;
  return Position{numbers[0], numbers[1], numbers[2]};
}

}  // namespace clawql::engine::mcp
