// Any text as a configuration. What is accepted must be shown in a form that is accepted again and means the same, and
// no secret may be in what is shown, noticed or complained about.
#include <cstdint>
#include <string_view>

#include "base/check.hpp"
#include "config/reader.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace clawql;
  using namespace clawql::config;
  static const Places places{"/etc/clawql/clawql.yaml", "/run/clawql", "/var/log/clawql/audit.jsonl"};
  static const Environment environment{{"TOKEN", "s3kr1t-value"}, {"HOME", "/root"}};
  static const ReadFile read_file = [](const std::string&) -> Result<std::string> {
    return "FROM_FILE=s3kr1t-value\n";
  };
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (text.find("s3kr1t") != std::string_view::npos) return 0;
  const auto config = parse_with(text, "c.yaml", places, environment, read_file);
  if (!config) {
    CLAWQL_CHECK(!config.error().message.empty());
    CLAWQL_CHECK(config.error().message.find("s3kr1t") == std::string::npos);
    return 0;
  }
  for (const Notice& notice : config->notices) CLAWQL_CHECK(notice.text.find("s3kr1t") == std::string::npos);
  const std::string shown = show(*config);
  CLAWQL_CHECK(shown.find("s3kr1t") == std::string::npos);
  const auto again = parse_with(shown, "c.yaml", places, environment, read_file);
  CLAWQL_CHECK(again.has_value());
  CLAWQL_CHECK(show(*again) == shown);
  return 0;
}
