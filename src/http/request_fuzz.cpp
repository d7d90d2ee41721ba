// Any bytes as a connection. The first two bytes say where they are split; whole, split and in single bytes the
// connection must be told alike, and every request that passes keeps the promises of RequestHead.
#include <cstdint>
#include <string_view>

#include "base/check.hpp"
#include "http/connection_replay.hpp"

using clawql::http::ConnectionReplay;
using clawql::http::HeadParser;

namespace {

void check_promises(std::string_view bytes) {
  HeadParser parser(clawql::http::HeadLimits{});
  const auto result = parser.parse(bytes);
  const auto* done = std::get_if<HeadParser::Done>(&result);
  if (done == nullptr) return;
  const auto& head = done->head;
  CLAWQL_CHECK(done->consumed <= bytes.size() && bytes.substr(0, done->consumed).ends_with("\r\n\r\n"));
  CLAWQL_CHECK(head.host && head.count("host") == 1);
  CLAWQL_CHECK(head.path == "*" || head.path.starts_with('/'));
  CLAWQL_CHECK(head.path.find_first_of("?# \r\n\t\"\\") == std::string_view::npos);
  CLAWQL_CHECK(head.count("content-length") + head.count("transfer-encoding") <= 1);
  CLAWQL_CHECK(!head.target_authority || head.target_authority->host == head.host->host);
  for (const auto& field : head.fields) {
    CLAWQL_CHECK(!field.name.empty() && field.name.find_first_of(" \t\r\n:") == std::string_view::npos);
    CLAWQL_CHECK(field.value.find_first_of(std::string_view("\r\n\0", 3)) == std::string_view::npos);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 2, size - 2);
  const std::size_t split = bytes.empty() ? 0 : (data[0] * 256U + data[1]) % bytes.size();
  check_promises(bytes);
  ConnectionReplay whole(4096);
  whole.feed(bytes);
  ConnectionReplay in_two(4096);
  in_two.feed(bytes.substr(0, split));
  in_two.feed(bytes.substr(split));
  CLAWQL_CHECK(in_two.told() == whole.told());
  ConnectionReplay by_bytes(4096);
  for (const char c : bytes) by_bytes.feed({&c, 1});
  CLAWQL_CHECK(by_bytes.told() == whole.told());
  return 0;
}
