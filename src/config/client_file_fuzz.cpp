// Any text as a client's file: an edit gives JSON again, holds the new entry once, and undone holds none.
#include <cstdint>
#include <string_view>

#include "base/check.hpp"
#include "config/client_file.hpp"
#include "json/document.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace clawql;
  using namespace clawql::config;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::string blanked = without_comments(text);
  CLAWQL_CHECK(blanked.size() == text.size());
  const auto servers = client_servers(text, "f");
  const auto edited = with_client_entry(text, "f", "mcpServers", "clawql", R"({ "command": "x" })");
  if (!edited) return 0;
  const auto count = [](const std::string& file) {
    const std::string plain = without_comments(file);
    const auto document = json::Document::parse(plain, {.bytes = 64U << 20, .depth = 64});
    CLAWQL_CHECK(document.has_value());
    return document->root().find("mcpServers").size();
  };
  const std::size_t entries = count(*edited);
  CLAWQL_CHECK(entries > 0);
  CLAWQL_CHECK(*with_client_entry(*edited, "f", "mcpServers", "clawql", R"({ "command": "x" })") == *edited);
  const auto undone = without_client_entries(*edited, "f", {"clawql"});
  CLAWQL_CHECK(undone.has_value());
  CLAWQL_CHECK(count(*undone) == entries - 1);
  return 0;
}
