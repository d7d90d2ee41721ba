// Any JSON text must be classified or refused without a fault, and what is taken must keep its promises.
#include <cstdint>
#include <string_view>

#include "base/check.hpp"
#include "engine/mcp/message.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace clawql;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto document = json::Document::parse(text, {});
  if (!document) return 0;
  const auto message = engine::mcp::Message::read(document->root());
  if (!message) {
    CLAWQL_CHECK(message.error().id.size() <= engine::mcp::kMaxIdBytes);
    return 0;
  }
  const std::string_view id = message->id();
  CLAWQL_CHECK(id.size() <= engine::mcp::kMaxIdBytes);
  CLAWQL_CHECK(id.empty() || (id.data() >= text.data() && id.data() + id.size() <= text.data() + text.size()));
  CLAWQL_CHECK(message->kind() != engine::mcp::MessageKind::request || !id.empty());
  CLAWQL_CHECK(message->kind() != engine::mcp::MessageKind::notification || id.empty());
  CLAWQL_CHECK(!message->params() || message->params().is(json::Kind::object));
  return 0;
}
