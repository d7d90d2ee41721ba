#include "engine/audit/audit.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <regex>

#include "engine/audit/recent_events.hpp"
#include "json/document.hpp"

namespace clawql::engine::audit {
namespace {

using testing::ElementsAre;
using testing::SizeIs;

std::vector<std::string> lines_of(const std::filesystem::path& path) {
  std::vector<std::string> lines;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  return lines;
}

// What a reader of the log does with a line: our own strict parser takes it, or the test fails.
std::string member(const std::string& line, std::initializer_list<std::string_view> path) {
  const auto document = json::Document::parse(line, {});
  if (!document) {
    ADD_FAILURE() << "not JSON at " << document.error().offset << ": " << line;
    return {};
  }
  json::Value value = document->root();
  for (const std::string_view key : path) value = value.find(key);
  if (!value) return "(absent)";
  return value.string().value_or(std::string(value.raw()));
}

class AuditLog : public testing::Test {
 protected:
  AuditLog() {
    std::string pattern = testing::TempDir() + "/audit-XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
  }
  ~AuditLog() override { std::filesystem::remove_all(folder_); }

  os::Fd open(std::string_view name) {
    return os::Fd(::open((folder_ / name).c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640));
  }
  Log make(std::uint64_t file_bytes = 1U << 20, bool strict = false) {
    return {{.path = "audit.jsonl", .strict = strict, .file_bytes = file_bytes}, clock_, 3, [this] { ++files_asked_; }};
  }

  base::FakeClock clock_;
  std::filesystem::path folder_;
  int files_asked_ = 0;
};

TEST_F(AuditLog, hashes_a_payload_and_never_writes_it) {
  Log log = make();
  log.set_file(open("a"));
  for (const std::string_view arguments : {std::string_view(R"({"password":"hunter2"})"), std::string_view()})
    ASSERT_TRUE(log.record({.payload = arguments}));
  ASSERT_TRUE(log.record({}));
  const auto lines = lines_of(folder_ / "a");
  ASSERT_THAT(lines, SizeIs(3));
  EXPECT_EQ(member(lines[0], {"payloadHash"}), sha256_hex(R"({"password":"hunter2"})"));
  EXPECT_EQ(lines[0].find("hunter2"), std::string::npos);
  EXPECT_EQ(member(lines[1], {"payloadHash"}), sha256_hex(""));
  EXPECT_EQ(member(lines[2], {"payloadHash"}), "");
}

TEST_F(AuditLog, writes_one_parsable_line_with_every_field_of_the_canonical_event) {
  Log log = make();
  log.set_file(open("a"));
  const std::string hash = sha256_hex(R"({"path":"/etc/shadow"})");
  ASSERT_TRUE(log.record({.type = Type::tool_call,
                          .subtype = "tools/call",
                          .outcome = Outcome::intent,
                          .severity = Severity::low,
                          .principal = "uid:1000",
                          .session = "5e55",
                          .listener = "unix:/run/clawql/gateway.sock",
                          .peer = "uid:1000 pid:77",
                          .server = "files",
                          .tool = "read",
                          .reason = "call.timeout",
                          .detail = "short",
                          .payload_hash = hash,
                          .call = "c1",
                          .count = 2,
                          .duration_us = 15,
                          .bytes = 99}));
  const auto lines = lines_of(folder_ / "a");
  ASSERT_THAT(lines, SizeIs(1));
  const std::string& line = lines[0];
  EXPECT_EQ(member(line, {"schemaVersion"}), "1");
  EXPECT_TRUE(std::regex_match(member(line, {"eventId"}),
                               std::regex("[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")));
  EXPECT_EQ(member(line, {"timestamp"}), base::format_utc(clock_.wall_nanoseconds()));
  EXPECT_EQ(member(line, {"source", "component"}), "clawql-engine");
  EXPECT_EQ(member(line, {"source", "version"}), CLAWQL_VERSION);
  EXPECT_EQ(member(line, {"principal", "agent"}), "uid:1000");
  EXPECT_EQ(member(line, {"principal", "session"}), "5e55");
  EXPECT_EQ(member(line, {"event", "type"}), "TOOL_CALL");
  EXPECT_EQ(member(line, {"event", "subtype"}), "tools/call");
  EXPECT_EQ(member(line, {"event", "outcome"}), "intent");
  EXPECT_EQ(member(line, {"event", "severity"}), "low");
  EXPECT_EQ(member(line, {"detail"}), "short");
  EXPECT_EQ(member(line, {"payloadHash"}), hash);
  EXPECT_EQ(member(line, {"listener"}), "unix:/run/clawql/gateway.sock");
  EXPECT_EQ(member(line, {"peer"}), "uid:1000 pid:77");
  EXPECT_EQ(member(line, {"server"}), "files");
  EXPECT_EQ(member(line, {"tool"}), "read");
  EXPECT_EQ(member(line, {"reason"}), "call.timeout");
  EXPECT_EQ(member(line, {"call"}), "c1");
  EXPECT_EQ(member(line, {"count"}), "2");
  EXPECT_EQ(member(line, {"durationUs"}), "15");
  EXPECT_EQ(member(line, {"bytes"}), "99");
  EXPECT_EQ(line.find("shadow"), std::string::npos) << "arguments appear as a hash alone";
  EXPECT_EQ(log.written(), 1U);
}

TEST_F(AuditLog, leaves_out_what_an_event_does_not_have) {
  Log log = make();
  log.set_file(open("a"));
  ASSERT_TRUE(log.record({.type = Type::agent, .subtype = "server.started"}));
  const std::string line = lines_of(folder_ / "a").at(0);
  for (const auto* key : {"listener", "peer", "server", "tool", "reason", "call", "durationUs"})
    EXPECT_EQ(member(line, {key}), "(absent)") << key;
}

TEST_F(AuditLog, hostile_text_can_neither_start_a_line_nor_break_one) {
  Log log = make();
  log.set_file(open("a"));
  const std::string hostile = "\"}\n{\"schemaVersion\":\"1\"\x1b[31m\xff\xc2\x85\u202e" + std::string(5000, 'x');
  ASSERT_TRUE(log.record({.subtype = hostile,
                          .principal = hostile,
                          .session = hostile,
                          .listener = hostile,
                          .peer = hostile,
                          .server = hostile,
                          .tool = hostile,
                          .reason = hostile,
                          .detail = hostile,
                          .payload_hash = hostile,
                          .call = hostile}));
  const auto lines = lines_of(folder_ / "a");
  ASSERT_THAT(lines, SizeIs(1));
  EXPECT_TRUE(json::Document::parse(lines[0], {}));
  EXPECT_LT(lines[0].size(), 6000U);
  EXPECT_TRUE(std::ranges::none_of(lines[0], [](unsigned char c) { return c < 0x20 || c == 0x7F; }));
}

TEST_F(AuditLog, names_every_event_differently) {
  Log log = make();
  log.set_file(open("a"));
  std::set<std::string> ids;
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(log.record({.subtype = "x"}));
  for (const auto& line : lines_of(folder_ / "a")) ids.insert(member(line, {"eventId"}));
  EXPECT_THAT(ids, SizeIs(1000));
}

TEST_F(AuditLog, writes_the_right_time_across_a_second_and_with_leading_zeros) {
  Log log = make();
  log.set_file(open("a"));
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(log.record({.subtype = "x"}));
    EXPECT_EQ(member(lines_of(folder_ / "a").back(), {"timestamp"}), base::format_utc(clock_.wall_nanoseconds()));
    clock_.advance(base::Microseconds(600'001));
  }
}

TEST_F(AuditLog, asks_once_for_the_next_file_and_uses_the_old_one_until_it_comes) {
  Log log = make(600);
  log.set_file(open("a"));
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(log.record({.subtype = "before"}));
  EXPECT_EQ(files_asked_, 1);
  EXPECT_THAT(lines_of(folder_ / "a"), SizeIs(5));
  log.set_file(open("b"));
  ASSERT_TRUE(log.record({.subtype = "after"}));
  EXPECT_THAT(lines_of(folder_ / "a"), SizeIs(5));
  EXPECT_THAT(lines_of(folder_ / "b"), SizeIs(1));
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(log.record({.subtype = "more"}));
  EXPECT_EQ(files_asked_, 2);
}

TEST_F(AuditLog, counts_what_a_file_held_before_it_was_given) {
  std::ofstream(folder_ / "a") << std::string(2000, '\n');
  Log log = make(1000);
  log.set_file(open("a"));
  ASSERT_TRUE(log.record({.subtype = "x"}));
  EXPECT_EQ(files_asked_, 1);
}

TEST_F(AuditLog, says_when_there_is_no_file_and_remembers_nothing) {
  Log log = make();
  EXPECT_FALSE(log.record({.subtype = "x", .principal = "uid:1"}));
  EXPECT_EQ(log.failed(), 1U);
  EXPECT_EQ(log.written(), 0U);
  EXPECT_THAT(log.recent("uid:1", 10), SizeIs(0));
}

TEST_F(AuditLog, says_when_the_disk_takes_nothing) {
  Log log = make();
  log.set_file(os::Fd(::open("/dev/full", O_WRONLY | O_CLOEXEC)));
  const Status done = log.record({.subtype = "x"});
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().system_errno, ENOSPC);
  EXPECT_EQ(log.failed(), 1U);
}

TEST_F(AuditLog, a_record_written_in_part_fails_and_is_completed_before_the_next_one) {
  // A file size limit makes the kernel take only the first bytes of a line, as a full disk does.
  ASSERT_NE(std::signal(SIGXFSZ, SIG_IGN), SIG_ERR);
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  Log log = make();
  log.set_file(open("a"));
  const rlimit small{100, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const Status torn = log.record({.subtype = "torn"});
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  EXPECT_FALSE(torn);
  ASSERT_TRUE(log.record({.subtype = "whole"}));
  ASSERT_TRUE(log.record({.subtype = "whole too"}));
  const auto lines = lines_of(folder_ / "a");
  ASSERT_THAT(lines, SizeIs(3));
  EXPECT_EQ(member(lines[0], {"event", "subtype"}), "torn");
  EXPECT_EQ(member(lines[1], {"event", "subtype"}), "whole");
  EXPECT_EQ(member(lines[2], {"event", "subtype"}), "whole too");
  EXPECT_EQ(log.failed(), 1U);
}

TEST_F(AuditLog, a_line_that_one_shard_left_in_part_is_completed_by_the_next_one_that_writes) {
  ASSERT_NE(std::signal(SIGXFSZ, SIG_IGN), SIG_ERR);
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto file = std::make_shared<File>(open("a"));
  std::string kept;
  Log first = make();
  Log second({}, clock_, [&](std::string_view, std::string_view json) { kept = json; }, [] {});
  first.set_file(file);
  second.set_file(file);
  const rlimit small{100, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const Status torn = first.record({.subtype = "of the first"});
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  EXPECT_FALSE(torn);
  ASSERT_TRUE(second.record({.subtype = "of the second"}));
  const auto lines = lines_of(folder_ / "a");
  ASSERT_THAT(lines, SizeIs(2));
  EXPECT_EQ(member(lines[0], {"event", "subtype"}), "of the first");
  EXPECT_EQ(lines[1], kept) << "what goes to the other shard is the record";
}

TEST_F(AuditLog, gathered_records_are_in_the_file_before_the_turn_sends_anything) {
  Log log = make();
  log.set_file(open("a"));
  io::Loop loop(clock_);
  log.gather_on(loop);
  std::size_t in_file_when_sent = 0;
  loop.at_turn_end([&] { in_file_when_sent = lines_of(folder_ / "a").size(); });  // asked for before the records
  ASSERT_TRUE(log.record({.subtype = "one"}));
  ASSERT_TRUE(log.record({.subtype = "two"}));
  EXPECT_THAT(lines_of(folder_ / "a"), SizeIs(0));
  loop.poll();
  EXPECT_EQ(in_file_when_sent, 2U);
}

TEST_F(AuditLog, gathered_records_wait_for_the_file_and_none_is_taken_meanwhile) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  ASSERT_NE(std::signal(SIGXFSZ, SIG_IGN), SIG_ERR);
  Log log = make();
  log.set_file(open("a"));
  io::Loop loop(clock_);
  log.gather_on(loop);
  ASSERT_TRUE(log.record({.subtype = "one"}));
  const rlimit small{100, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  loop.poll();
  const Status refused = log.record({.subtype = "refused"});
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  EXPECT_FALSE(refused);
  ASSERT_TRUE(log.record({.subtype = "two"}));
  loop.poll();
  const auto lines = lines_of(folder_ / "a");
  ASSERT_THAT(lines, SizeIs(2));
  EXPECT_EQ(member(lines[0], {"event", "subtype"}), "one");
  EXPECT_EQ(member(lines[1], {"event", "subtype"}), "two");
}

TEST_F(AuditLog, strict_fails_where_the_record_cannot_be_made_durable) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);  // a pipe takes the bytes and cannot be synced
  const os::Fd reader(ends[0]);
  Log log = make(1U << 20, true);
  log.set_file(os::Fd(ends[1]));
  EXPECT_FALSE(log.record({.subtype = "x"}));
  log.set_file(open("a"));
  EXPECT_TRUE(log.record({.subtype = "x"}));
}

TEST_F(AuditLog, keeps_the_newest_events_of_each_principal_apart) {
  Log log = make();
  log.set_file(open("a"));
  for (const auto* subtype : {"1", "2", "3", "4", "5"})
    ASSERT_TRUE(log.record({.subtype = subtype, .principal = "uid:1"}));
  ASSERT_TRUE(log.record({.subtype = "other", .principal = "uid:2"}));
  std::vector<std::string> subtypes;
  for (const auto& event : log.recent("uid:1", 10)) subtypes.push_back(member(event, {"event", "subtype"}));
  EXPECT_THAT(subtypes, ElementsAre("3", "4", "5"));
  ASSERT_THAT(log.recent("uid:1", 1), SizeIs(1));
  EXPECT_EQ(member(log.recent("uid:1", 1)[0], {"event", "subtype"}), "5");
  EXPECT_THAT(log.recent("uid:2", 10), SizeIs(1));
  EXPECT_THAT(log.recent("uid:3", 10), SizeIs(0));
}

TEST(RecentEvents, forgets_the_principal_that_was_quiet_longest) {
  RecentEvents recent(2);
  for (std::size_t i = 0; i < RecentEvents::kPrincipals; ++i) recent.add("uid:" + std::to_string(i), "{}");
  recent.add("uid:0", "{}");
  recent.add("newcomer", "{}");
  EXPECT_EQ(recent.principals(), RecentEvents::kPrincipals);
  EXPECT_THAT(recent.newest("uid:0", 9), SizeIs(2));
  EXPECT_THAT(recent.newest("uid:1", 9), SizeIs(0));
  EXPECT_THAT(recent.newest("newcomer", 9), SizeIs(1));
}

TEST(Sha256, knows_the_published_vectors) {
  EXPECT_EQ(sha256_hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

}  // namespace
}  // namespace clawql::engine::audit
