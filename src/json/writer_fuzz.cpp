// Any bytes written as a JSON string read as the same text, bytes that are no UTF-8 replaced; and a document with its
// root's children spliced by themselves is the same text.
#include <cstdint>
#include <string_view>

#include "base/check.hpp"
#include "json/document.hpp"
#include "json/writer.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace clawql::json;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::string written = clawql::json::quoted(text);
  const auto document = Document::parse(written, {});
  CLAWQL_CHECK(document.has_value());
  const std::string read = *document->root().string();
  CLAWQL_CHECK(read == text || read.find("\xef\xbf\xbd") != std::string::npos);
  CLAWQL_CHECK(clawql::json::quoted(read) == written);

  const auto spliced = Document::parse(text, {});
  if (!spliced) return 0;
  Splice splice(text);
  for (const Value element : spliced->root().elements()) splice.replace(element.raw(), std::string(element.raw()));
  for (const auto [key, member] : spliced->root().members()) {
    splice.replace(member.raw(), std::string(member.raw()));
    splice.replace(key.raw(), std::string(key.raw()));
  }
  CLAWQL_CHECK(splice.str() == text);
  return 0;
}
