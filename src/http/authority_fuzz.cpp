// Any bytes as Host, Origin, media type and Accept. What is taken can be written and read again, and holds no byte that
// any URL parser would give a meaning.
#include <cstdint>
#include <string_view>

#include "base/check.hpp"
#include "http/authority.hpp"
#include "http/request.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace clawql::http;
  constexpr std::string_view kHostBytes = "abcdefghijklmnopqrstuvwxyz0123456789.-:[]";
  const std::string_view text(reinterpret_cast<const char*>(data), size);

  if (const auto authority = Authority::parse(text)) {
    const std::string& host = std::string(authority->host.text());
    CLAWQL_CHECK(!host.empty() && host.find_first_not_of(kHostBytes) == std::string::npos);
    CLAWQL_CHECK(host.front() == '[' || host.find(':') == std::string::npos);
    CLAWQL_CHECK(authority->port != 0);
    const std::string again = host + (authority->port ? ":" + std::to_string(*authority->port) : "");
    CLAWQL_CHECK(equals_ignoring_case(again, text));
    const auto same = Authority::parse(again);
    CLAWQL_CHECK(same && same->host == authority->host && same->port == authority->port);
    CLAWQL_CHECK(HostName::parse(host) == authority->host);
  }
  if (const auto origin = Origin::parse(text)) {
    CLAWQL_CHECK(origin->text() == text);
    CLAWQL_CHECK(Authority::parse(text.substr(text.find("//") + 2)));
  }
  if (is_json_media_type(text))
    CLAWQL_CHECK(equals_ignoring_case(text.substr(text.find_first_not_of(" \t"), 16), "application/json"));
  const Accepts accepts = parse_accept(text);
  if (accepts.json || accepts.event_stream) CLAWQL_CHECK(text.find('/') != std::string_view::npos);
  return 0;
}
