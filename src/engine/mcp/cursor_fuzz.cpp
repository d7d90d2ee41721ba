// No text that we did not make is a cursor; every one that we made is.
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.hpp"
#include "engine/mcp/cursor.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace clawql::engine::mcp;
  const CursorSeal seal(std::string(32, 'k'));
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto position = seal.open(text)) CLAWQL_CHECK(seal.seal(*position) == text);
  const Position position{size * 7919U, size};
  CLAWQL_CHECK(seal.open(seal.seal(position)) == position);
  return 0;
}
