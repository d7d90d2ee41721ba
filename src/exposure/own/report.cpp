#include "exposure/own/report.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <optional>

#include "exposure/ports/text.hpp"
#include "json/document.hpp"
#include "os/fd.hpp"

namespace clawql::exposure::own {
namespace {

constexpr std::size_t kMaxText = 4096;
// Clocks are set now and then; a report from farther ahead would never grow old.
constexpr std::int64_t kClockSlackSeconds = 300;

// An object with exactly these members.
Status check_members(const json::Value& object, std::initializer_list<std::string_view> names, std::string_view what) {
  if (!object.is(json::Kind::object)) return fail(fmt::format("{} is no object", what));
  for (const std::string_view name : names)
    if (!object.find(name)) return fail(fmt::format("{} has no \"{}\"", what, name));
  if (object.size() != names.size()) return fail(fmt::format("{} has a member that is not known", what));
  return {};
}

Result<std::string> text_member(const json::Value& object, std::string_view name) {
  auto text = object.find(name).string();
  if (!text || text->empty() || text->size() > kMaxText)
    return fail(fmt::format("\"{}\" is no text of 1 to {} bytes", name, kMaxText));
  return std::move(*text);
}

bool is_id(std::string_view text) {
  constexpr std::string_view kAllowed = "abcdefghijklmnopqrstuvwxyz0123456789.-";
  return text.size() <= 64 && text.find_first_not_of(kAllowed) == std::string_view::npos;
}

std::optional<ports::Severity> severity_named(std::string_view name) {
  using enum ports::Severity;
  for (const ports::Severity one : {info, low, medium, high, critical})
    if (ports::name_of(one) == name) return one;
  return std::nullopt;
}

Result<Finding> parse_finding(const json::Value& value) {
  CLAWQL_CHECKED(check_members(value, {"id", "severity", "subject", "text", "remedy", "line"}, "a finding"));
  Finding finding;
  CLAWQL_TRY(finding.id, text_member(value, "id"));
  if (!is_id(finding.id)) return fail("an \"id\" that is none");
  CLAWQL_TRY(const std::string word, text_member(value, "severity"));
  const auto severity = severity_named(word);
  if (!severity) return fail("a \"severity\" that is none");
  finding.severity = *severity;
  CLAWQL_TRY(finding.subject, text_member(value, "subject"));
  CLAWQL_TRY(finding.text, text_member(value, "text"));
  CLAWQL_TRY(finding.remedy, text_member(value, "remedy"));
  if (!value.find("line").uint64()) return fail("\"line\" is no number");
  for (std::string* text : {&finding.subject, &finding.text, &finding.remedy}) *text = ports::printable_line(*text);
  return finding;
}

bool counts(const Finding& finding) {
  return finding.severity != ports::Severity::info;
}

struct File {
  std::string text;
  std::string distrust;  // why it is not believed; "": it is
};

std::string why_not_trusted(const struct stat& facts, uid_t gateway) {
  if (!S_ISREG(facts.st_mode)) return "is no plain file";
  if (facts.st_uid != 0 && facts.st_uid != gateway)
    return fmt::format("belongs to uid {}, who is neither root nor the gateway", facts.st_uid);
  if ((facts.st_mode & (S_IWGRP | S_IWOTH)) != 0)
    return fmt::format("can be written by others (mode {:04o})", facts.st_mode & 07777U);
  return {};
}

Result<File> read_file(const ReportRule& rule) {
  // Not blocking: it may be a pipe that nobody writes to.
  const os::Fd fd(::open(rule.path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY));
  if (!fd && errno == ELOOP) return File{{}, "is a symbolic link"};
  if (!fd) return fail_system("open");
  struct stat facts{};
  if (::fstat(fd.get(), &facts) != 0) return fail_system("look");
  File file;
  file.distrust = why_not_trusted(facts, rule.gateway);
  if (!file.distrust.empty()) return file;
  std::array<char, 16384> room;
  while (file.text.size() <= kMaxReportBytes) {
    const ssize_t got = ::read(fd.get(), room.data(), room.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_system("read");
    if (got == 0) return file;
    file.text.append(room.data(), static_cast<std::size_t>(got));
  }
  return file;
}

}  // namespace

Result<Report> parse_report(std::string_view text) {
  if (text.size() > kMaxReportBytes) return fail(fmt::format("it is larger than {} bytes", kMaxReportBytes));
  const auto document = json::Document::parse(text, {.bytes = kMaxReportBytes, .depth = 4, .values = 16'384});
  if (!document) return fail(fmt::format("byte {}: {}", document.error().offset, document.error().why));
  const json::Value root = document->root();
  CLAWQL_CHECKED(check_members(root, {"version", "written", "expected", "exit", "omitted", "findings"}, "the report"));
  if (root.find("version").uint64() != 1) return fail("\"version\" is not 1");
  CLAWQL_CHECKED(text_member(root, "expected"));
  const auto written = root.find("written").int64();
  const auto exit = root.find("exit").uint64();
  const auto omitted = root.find("omitted").uint64();
  const json::Value list = root.find("findings");
  if (!written || *written < 0) return fail("\"written\" is no time");
  if (!exit || *exit > 2) return fail("\"exit\" is not 0, 1 or 2");
  if (!omitted) return fail("\"omitted\" is no number");
  if (!list.is(json::Kind::array) || list.size() > kMaxReportFindings)
    return fail(fmt::format("\"findings\" is no list of at most {}", kMaxReportFindings));
  Report report{*written, static_cast<int>(*exit), {}};
  for (const json::Value value : list.elements()) {
    CLAWQL_TRY(Finding finding, parse_finding(value));
    report.findings.push_back(std::move(finding));
  }
  if ((report.exit != 0) != std::ranges::any_of(report.findings, counts))
    return fail("\"exit\" and \"findings\" do not agree");
  return report;
}

std::vector<Finding> read_report(const ReportRule& rule, std::int64_t now_seconds) {
  const auto one = [&](Kind kind, std::string_view why) {
    return std::vector{make_finding(kind, rule.path, fmt::format("{} {}", rule.path, why))};
  };
  const auto file = read_file(rule);
  if (!file) return one(Kind::report_unreadable, "cannot be read: " + file.error().message);
  if (!file->distrust.empty()) return one(Kind::report_untrusted, file->distrust);
  auto report = parse_report(file->text);
  if (!report) return one(Kind::report_broken, "is no report of an audit: " + report.error().message);
  const std::int64_t age = now_seconds - report->written;
  if (age < -kClockSlackSeconds)
    return one(Kind::report_stale, fmt::format("was written {} s from now: a clock is wrong", -age));
  std::vector<Finding> findings;
  if (age > rule.max_age_seconds)
    findings = one(Kind::report_stale, fmt::format("is {} s old, more than {} s", age, rule.max_age_seconds));
  for (Finding& finding : report->findings) {
    const bool is_ours = std::ranges::find(rule.own, finding.subject) != rule.own.end();
    const bool older_news = is_ours && finding.id == ports::kind_of(ports::FindingId::missing).name;
    if (counts(finding) && !older_news) findings.push_back(std::move(finding));
  }
  return findings;
}

}  // namespace clawql::exposure::own
