// The report of the host's audit: what is taken, what is refused, and who may have written it.
#include "exposure/own/report.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "exposure/ports/report.hpp"

namespace clawql::exposure::own {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::int64_t kNow = 1'800'000'000;
const std::string kFinding =
    R"({"id":"ports.dnat","severity":"high","subject":"nft ip t","text":"a rule","remedy":"remove it","line":1})";

std::string report(std::string_view findings, int exit, std::int64_t written = kNow) {
  return R"({"version":1,"written":)" + std::to_string(written) + R"(,"expected":"/etc/clawql/ports.yaml","exit":)" +
         std::to_string(exit) + R"(,"omitted":0,"findings":[)" + std::string(findings) + "]}\n";
}

TEST(Report, what_the_audit_writes_is_read_back) {
  const std::vector<ports::Finding> found{{ports::FindingId::dnat, "nft ip t", "a \"rule\" \xff\x1b[2J", 3},
                                          {ports::FindingId::acceptance_unused, "x", "not there", 1}};
  const auto read = parse_report(ports::report_file("/etc/clawql/ports.yaml", found, kNow));
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->written, kNow);
  EXPECT_EQ(read->exit, 1);
  ASSERT_EQ(read->findings.size(), 2U);
  EXPECT_EQ(read->findings[0].id, "ports.dnat");
  EXPECT_EQ(read->findings[0].severity, ports::Severity::high);
  EXPECT_EQ(read->findings[0].text, "a \"rule\" \\xff\\x1b[2J") << "what a terminal would obey is escaped";
  EXPECT_EQ(read->findings[1].severity, ports::Severity::info);
}

TEST(Report, more_findings_than_a_report_holds_are_counted_and_still_read) {
  std::vector<ports::Finding> found;
  found.reserve(2000);
  for (int i = 0; i < 2000; ++i)
    found.push_back({ports::FindingId::unexpected, std::to_string(i), std::string(5000, 'x'), 1});
  const std::string text = ports::report_file("/e", found, kNow);
  EXPECT_LT(text.size(), kMaxReportBytes);
  EXPECT_THAT(text, HasSubstr("\"omitted\":1500"));
  const auto read = parse_report(text);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->findings.size(), kMaxReportFindings);
}

TEST(Report, whatever_is_not_exactly_a_report_is_refused) {
  const std::string good = report(kFinding, 1);
  ASSERT_TRUE(parse_report(good));
  const auto with = [&](std::string_view from, std::string_view to) {
    std::string text = good;
    const auto at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    return text.replace(at, from.size(), to);
  };
  const std::string bad[] = {
      "",
      "{}",
      "[]",
      good + "x",
      with(R"("version":1)", R"("version":2)"),
      with(R"("version":1,)", ""),
      with(R"("version":1)", R"("version":1,"version":1)"),
      with(R"("version":1)", R"("version":1,"more":1)"),
      with(R"("written":18)", R"("written":-18)"),
      with(R"("written":1800000000)", R"("written":"now")"),
      with(R"("exit":1)", R"("exit":3)"),
      with(R"("exit":1)", R"("exit":0)"),
      with(R"("omitted":0)", R"("omitted":null)"),
      with(R"("line":1)", R"("line":-1)"),
      with(R"("line":1)", R"("line":1,"x":1)"),
      with(R"("ports.dnat")", R"("ports dnat")"),
      with(R"("ports.dnat")", R"("")"),
      with(R"("high")", R"("fatal")"),
      with(R"("a rule")", "7"),
      with("a rule", std::string(5000, 'x')),
      with(kFinding, "[]"),
      with("[" + kFinding + "]", "{}"),
      report("", 1),
  };
  for (const std::string& text : bad) EXPECT_FALSE(parse_report(text)) << text;
  for (std::size_t length = 0; length + 2 < good.size(); ++length)
    EXPECT_FALSE(parse_report(std::string_view(good).substr(0, length))) << "cut at " << length;
}

TEST(Report, a_report_larger_than_the_limit_is_refused_before_it_is_parsed) {
  const auto read = parse_report(std::string(kMaxReportBytes + 1, ' '));
  ASSERT_FALSE(read);
  EXPECT_THAT(read.error().message, HasSubstr("larger"));
}

class ReportFileTest : public testing::Test {
 protected:
  ReportFileTest() {
    char name[] = "/tmp/clawql-own-XXXXXX";
    folder_ = ::mkdtemp(name);
    rule_ = {.path = folder_ + "/exposure.json", .gateway = ::geteuid(), .max_age_seconds = 60, .own = {}};
  }
  ~ReportFileTest() override { std::filesystem::remove_all(folder_); }
  void write(const std::string& text, mode_t mode = 0640) {
    std::ofstream(rule_.path) << text;
    ASSERT_EQ(::chmod(rule_.path.c_str(), mode), 0);
  }
  std::vector<std::string> ids(std::int64_t now = kNow) const {
    std::vector<std::string> found;
    for (const Finding& finding : read_report(rule_, now)) found.push_back(finding.id);
    return found;
  }
  std::string folder_;
  ReportRule rule_;
};

TEST_F(ReportFileTest, a_clean_and_young_report_is_no_drift) {
  write(report("", 0));
  EXPECT_THAT(ids(), IsEmpty());
  EXPECT_THAT(ids(kNow + 60), IsEmpty());
}

TEST_F(ReportFileTest, what_the_audit_found_is_drift_and_what_is_merely_worth_a_word_is_not) {
  std::string info = kFinding;
  info.replace(info.find("high"), 4, "info");
  write(report(kFinding + "," + info, 1));
  EXPECT_THAT(ids(), ElementsAre("ports.dnat"));
}

TEST_F(ReportFileTest, an_old_report_is_drift_and_so_is_one_from_the_future) {
  write(report(kFinding, 1));
  EXPECT_THAT(ids(kNow + 61), ElementsAre("exposure.report-stale", "ports.dnat"));
  EXPECT_THAT(ids(kNow - 301), ElementsAre("exposure.report-stale"));
  EXPECT_THAT(ids(kNow - 300), ElementsAre("ports.dnat"));
}

TEST_F(ReportFileTest, a_listener_of_ours_that_was_missing_then_is_no_news_now) {
  rule_.own = {"tcp 127.0.0.1:8080"};
  std::string missing = kFinding;
  missing.replace(missing.find("ports.dnat"), 10, "ports.missing");
  std::string ours = missing;
  ours.replace(ours.find("nft ip t"), 8, "tcp 127.0.0.1:8080");
  write(report(ours, 1));
  EXPECT_THAT(ids(), IsEmpty());
  write(report(ours + "," + missing, 1));
  EXPECT_THAT(ids(), ElementsAre("ports.missing"));
}

TEST_F(ReportFileTest, a_report_that_is_missing_or_broken_is_drift) {
  EXPECT_THAT(ids(), ElementsAre("exposure.report-unreadable"));
  write(report(kFinding, 1).substr(0, 80));
  EXPECT_THAT(ids(), ElementsAre("exposure.report-broken"));
  write(std::string(kMaxReportBytes + 10, ' '));
  EXPECT_THAT(ids(), ElementsAre("exposure.report-broken"));
}

TEST_F(ReportFileTest, a_report_that_others_could_have_written_is_not_believed) {
  for (const mode_t mode : {0660U, 0646U}) {
    write(report("", 0), mode);
    EXPECT_THAT(ids(), ElementsAre("exposure.report-untrusted"));
  }
  write(report("", 0));
  ::chmod(rule_.path.c_str(), 0640);
  EXPECT_THAT(ids(), IsEmpty());
  if (::geteuid() == 0) {
    ASSERT_EQ(::chown(rule_.path.c_str(), 4711, 0), 0);
    EXPECT_THAT(ids(), ElementsAre("exposure.report-untrusted"));
    rule_.gateway = 4711;
    EXPECT_THAT(ids(), IsEmpty());
  }
}

TEST_F(ReportFileTest, what_is_no_plain_file_is_neither_followed_nor_waited_for) {
  std::ofstream(folder_ + "/other") << report("", 0);
  ASSERT_EQ(::symlink((folder_ + "/other").c_str(), rule_.path.c_str()), 0);
  EXPECT_THAT(ids(), ElementsAre("exposure.report-untrusted"));
  std::filesystem::remove(rule_.path);
  ASSERT_EQ(::mkfifo(rule_.path.c_str(), 0600), 0);
  EXPECT_THAT(ids(), ElementsAre("exposure.report-untrusted"));
  std::filesystem::remove(rule_.path);
  std::filesystem::create_directory(rule_.path);
  EXPECT_THAT(ids(), ElementsAre("exposure.report-untrusted"));
}

}  // namespace
}  // namespace clawql::exposure::own
