// The tables of tests/attacks against the codec: each case whole, split at every byte, in single bytes, and as the
// second request of a connection.
#include <gtest/gtest.h>

#include <charconv>
#include <fstream>
#include <iterator>
#include <set>

#include "http/connection_replay.hpp"
#include "json/document.hpp"

namespace clawql::http {
namespace {

constexpr std::string_view kGoodRequest = "GET /first HTTP/1.1\r\nHost: localhost\r\n\r\n";
constexpr std::string_view kGoodTold = "GET /first? host=localhost body=\n";

struct Case {
  std::string name;
  std::string bytes;
  std::string reason;  // empty: lawful
  std::set<int> answer;
};

std::string latin1(std::string_view utf8) {
  std::string bytes;
  for (std::size_t i = 0; i < utf8.size(); ++i) {
    unsigned byte = static_cast<unsigned char>(utf8[i]);
    if (byte >= 0x80) byte = (byte << 6U) | (static_cast<unsigned char>(utf8[++i]) & 0x3fU);
    bytes += static_cast<char>(byte);
  }
  return bytes;
}

// "00-08,7f" → every byte in it.
std::string bytes_in(std::string_view ranges) {
  const auto hex = [](std::string_view text) {
    unsigned value = 0;
    std::from_chars(text.data(), text.data() + text.size(), value, 16);
    return value;
  };
  std::string bytes;
  while (!ranges.empty()) {
    const std::string_view range = ranges.substr(0, ranges.find(','));
    ranges.remove_prefix(std::min(ranges.size(), range.size() + 1));
    const unsigned first = hex(range.substr(0, 2));
    const unsigned last = range.size() > 2 ? hex(range.substr(3, 2)) : first;
    for (unsigned byte = first; byte <= last; ++byte) bytes += static_cast<char>(byte);
  }
  return bytes;
}

void add_cases(json::Value row, std::vector<Case>& cases) {
  Case made;
  made.name = *row.find("name").string();
  made.reason = row.find("reason").string().value_or("");
  for (const json::Value status : row.find("answer").elements()) made.answer.insert(static_cast<int>(*status.int64()));
  std::string varying;
  std::size_t varying_at = 0;
  for (const json::Value part : row.find("send").elements()) {
    if (part.is(json::Kind::string)) {
      made.bytes += latin1(*part.string());
    } else if (const auto times = part.find("times").uint64()) {
      for (std::uint64_t i = 0; i < *times; ++i) made.bytes += latin1(*part.find("text").string());
    } else {
      varying = bytes_in(*part.find("bytes").string());
      varying_at = made.bytes.size();
    }
  }
  if (varying.empty()) cases.push_back(made);
  for (const char c : varying) {
    cases.push_back(made);
    cases.back().bytes.insert(varying_at, 1, c);
    cases.back().name += " (byte " + std::to_string(static_cast<unsigned char>(c)) + ")";
  }
}

std::vector<Case> load(const std::string& file) {
  std::ifstream stream(std::string(CLAWQL_ATTACKS "/") + file, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(stream), {}};
  const auto document = json::Document::parse(text, {});
  EXPECT_TRUE(document.has_value()) << file;
  std::vector<Case> cases;
  if (!document) return cases;
  for (const json::Value row : document->root().elements()) add_cases(row, cases);
  EXPECT_GT(cases.size(), 40U) << file;
  return cases;
}

ConnectionReplay replay(std::string_view bytes) {
  ConnectionReplay connection;
  connection.feed(bytes);
  return connection;
}

void expect_verdict(const Case& attack, const ConnectionReplay& connection) {
  if (attack.reason.empty()) {
    EXPECT_FALSE(connection.refused()) << connection.told();
    EXPECT_GE(connection.requests(), 1U);
    return;
  }
  EXPECT_TRUE(connection.refused()) << connection.told();
  EXPECT_TRUE(connection.told().ends_with(attack.reason)) << connection.told();
  // One answer: nothing was served before the refusal but, at most, the head whose body is refused.
  EXPECT_LE(connection.requests(), 1U);
  EXPECT_TRUE(attack.answer.contains(attack.reason == "limit.body"           ? 413
                                     : attack.reason == "http.target-length" ? 414
                                     : attack.reason == "http.head-size"     ? 431
                                     : attack.reason == "http.expectation"   ? 417
                                                                             : 400));
}

void expect_same_in_pieces(const Case& attack, const std::string& told) {
  const std::string_view bytes = attack.bytes;
  const std::size_t step = bytes.size() > 2000 ? bytes.size() / 100 : 1;
  for (std::size_t split = 1; split < bytes.size(); split += step) {
    ConnectionReplay connection;
    connection.feed(bytes.substr(0, split));
    connection.feed(bytes.substr(split));
    ASSERT_EQ(connection.told(), told) << "split at " << split;
  }
  ConnectionReplay by_bytes;
  for (const char c : bytes) by_bytes.feed({&c, 1});
  ASSERT_EQ(by_bytes.told(), told) << "in single bytes";
}

void expect_same_when_second(const Case& attack, const std::string& told) {
  ConnectionReplay connection;
  connection.feed(std::string(kGoodRequest) + attack.bytes);
  EXPECT_EQ(connection.told(), std::string(kGoodTold) + told);
}

class Perimeter : public testing::TestWithParam<const char*> {};

TEST_P(Perimeter, each_case_is_answered_as_the_table_says_whole_in_pieces_and_as_second_request) {
  for (const Case& attack : load(GetParam())) {
    SCOPED_TRACE(attack.name);
    const ConnectionReplay whole = replay(attack.bytes);
    expect_verdict(attack, whole);
    expect_same_in_pieces(attack, whole.told());
    expect_same_when_second(attack, whole.told());
    if (HasFatalFailure()) return;
  }
}

INSTANTIATE_TEST_SUITE_P(Tables, Perimeter,
                         testing::Values("request_line.json", "fields.json", "framing.json", "chunks.json", "host.json",
                                         "origin.json", "routes.json"),
                         [](const auto& table) {
                           const std::string file = table.param;
                           return file.substr(0, file.find('.'));
                         });

bool is_built_in(std::string_view host) {
  return host == "localhost" || host == "127.0.0.1" || host == "[::1]";
}

// The allow-list is the door's; that exactly the rows with 200 can pass one is this room's, because names are compared
// as text.
TEST(PerimeterNames, only_hosts_that_the_table_accepts_equal_a_built_in_name) {
  for (const Case& attack : load("host.json")) {
    if (!attack.reason.empty()) continue;
    EXPECT_EQ(is_built_in(replay(attack.bytes).host()), attack.answer.contains(200)) << attack.name;
  }
}

TEST(PerimeterNames, only_origins_that_the_table_accepts_are_canonical_and_equal_a_built_in_name) {
  std::size_t seen = 0;
  for (const Case& attack : load("origin.json")) {
    const ConnectionReplay connection = replay(attack.bytes);
    if (!attack.reason.empty() || connection.origins() == 0 || !is_built_in(connection.host())) continue;
    ++seen;
    const auto origin = Origin::parse(connection.origin());
    const bool allowed = connection.origins() == 1 && origin && is_built_in(origin->host.text());
    EXPECT_EQ(allowed, attack.answer.contains(200)) << attack.name;
    if (origin) EXPECT_EQ(origin->text(), connection.origin());
  }
  EXPECT_GT(seen, 50U);
}

}  // namespace
}  // namespace clawql::http
