#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <concepts>
#include <ostream>
#include <set>

#include "base/clock.hpp"
#include "base/decimal.hpp"
#include "base/log.hpp"
#include "base/refusal.hpp"
#include "base/result.hpp"
#include "base/secret.hpp"

namespace clawql::base {
namespace {

TEST(Decimal, takes_digits_only_and_refuses_overflow) {
  EXPECT_EQ(parse_decimal<std::uint16_t>("65535"), 65535);
  EXPECT_EQ(parse_decimal<std::uint16_t>("0"), 0);
  for (const auto* bad : {"", "65536", "01", "+1", "-1", " 1", "1 ", "0x1", "1e1", "１"})
    EXPECT_FALSE(parse_decimal<std::uint16_t>(bad)) << bad;
}

TEST(Clock, formats_utc_without_asking_the_system) {
  EXPECT_EQ(format_utc(0), "1970-01-01T00:00:00.000000000Z");
  EXPECT_EQ(format_utc(1'795'519'336'123'456'789), "2026-11-24T11:22:16.123456789Z");
  EXPECT_EQ(format_http_date(1'795'519'336'000'000'000), "Tue, 24 Nov 2026 11:22:16 GMT");
}

// A secret does not fit into a log line, a stream or a comparison.
template <class T>
concept Loggable = requires(T t) { Field("key", t); };
template <class T>
concept Streamable = requires(std::ostream& out, T t) { out << t; };
template <class T>
concept Comparable = requires(const T& a, const T& b) { a == b; };
static_assert(Loggable<std::string> && !Loggable<Secret&> && !Loggable<const Secret&>);
static_assert(!Streamable<Secret&>);
static_assert(!Comparable<Secret>);
static_assert(!std::copyable<Secret>);

TEST(Secret, equals_only_itself_and_is_wiped_on_move) {
  Secret secret(std::string("swordfish-swordfish-swordfish-00"));
  EXPECT_TRUE(secret.equals("swordfish-swordfish-swordfish-00"));
  EXPECT_FALSE(secret.equals("swordfish-swordfish-swordfish-01"));
  EXPECT_FALSE(secret.equals("swordfish"));
  EXPECT_FALSE(secret.equals(""));
  const Secret moved = std::move(secret);
  EXPECT_TRUE(moved.equals("swordfish-swordfish-swordfish-00"));
  EXPECT_EQ(secret.reveal(), "");  // NOLINT(bugprone-use-after-move,clang-analyzer-cplusplus.Move): the point
}

std::string logged(Logger::Format format, std::string_view value) {
  int pipe_fds[2];
  EXPECT_EQ(pipe2(pipe_fds, O_CLOEXEC), 0);
  const FakeClock clock;
  Logger logger(pipe_fds[1], format, "test", clock);
  logger.info("some.event", {{"value", value}, {"count", 3}, {"on", true}});
  close(pipe_fds[1]);
  std::string text(4096, '\0');
  const auto size = read(pipe_fds[0], text.data(), text.size());
  close(pipe_fds[0]);
  text.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
  return text;
}

TEST(Log, no_value_can_start_a_line_or_reach_a_terminal_raw) {
  const std::string text = logged(Logger::Format::json, "a\"b\n\x1b[31m\xff\xc2\x9b\xe2\x80\xae ü");
  EXPECT_NE(text.find(R"("value":"a\"b\n\u001b[31m\ufffd\u009b\u202e ü","count":3,"on":true})"), std::string::npos)
      << text;
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1);
  const std::string human = logged(Logger::Format::human, "x\ny");
  EXPECT_EQ(std::count(human.begin(), human.end(), '\n'), 1);
  EXPECT_NE(human.find(" test "), std::string::npos) << "which program says so";
}

TEST(Refusal, every_reason_has_a_status_a_code_and_a_label_of_its_own) {
  std::set<std::string_view> labels;
  for (std::size_t i = 0; i < kReasonCount; ++i) {
    const RefusalFacts& fact = facts(static_cast<Reason>(i));
    EXPECT_GE(fact.http_status, 200);
    EXPECT_TRUE(labels.insert(fact.label).second) << fact.label;
  }
  EXPECT_EQ(refusal_body(Reason::host_not_allowed),
            R"({"jsonrpc":"2.0","error":{"code":403,"message":"Host not allowed"}})");
}

TEST(Result, an_error_says_what_failed_and_why) {
  EXPECT_EQ(Error::system("open /x", ENOENT).message, "open /x: No such file or directory");
  EXPECT_EQ(Error("b", 0).in("a").message, "a: b");
}

}  // namespace
}  // namespace clawql::base
