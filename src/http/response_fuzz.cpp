// Any bytes as a response: whole and in two pieces it reads alike.
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.hpp"
#include "http/response.hpp"

namespace {

using clawql::http::ResponseParser;

std::string tell(std::string_view first, std::string_view second) {
  ResponseParser parser({.head_bytes = 1024, .fields = 20, .body_bytes = 2048});
  std::string told;
  std::string body;
  for (std::string_view piece : {first, second}) {
    while (!parser.done()) {
      const auto step = parser.feed(piece);
      if (!step) return step.error().message;
      CLAWQL_CHECK(step->consumed <= piece.size());
      body += step->body;
      piece.remove_prefix(step->consumed);
      if (step->consumed == 0) break;
    }
  }
  if (const auto status = parser.finish(); !status) return status.error().message;
  told = std::to_string(parser.response().status) + (parser.response().keep_alive ? " " : " closes ");
  for (const auto& [name, value] : parser.response().fields) told.append(name).append(":").append(value).append("\n");
  return told + body;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 2, size - 2);
  const std::size_t split = bytes.empty() ? 0 : (data[0] * 256U + data[1]) % bytes.size();
  CLAWQL_CHECK(tell(bytes, {}) == tell(bytes.substr(0, split), bytes.substr(split)));
  return 0;
}
