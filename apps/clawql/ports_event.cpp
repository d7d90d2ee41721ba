#include "ports_event.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <ctime>

#include "child.hpp"
#include "json/writer.hpp"
#include "os/fd.hpp"
#include "os/process.hpp"
#include "os/spawn.hpp"
#include "output.hpp"

namespace clawql::cli {
namespace {

namespace ports = exposure::ports;

constexpr int kCommandLimitMs = 10'000;
Status run(const std::string& command, const std::string& event) {
  // A file in memory, so that a command that does not read cannot hold us up.
  CLAWQL_TRY(const os::Fd input, memory_file(event));
  os::SpawnRequest request;
  request.program = "/bin/sh";
  request.arguments = {"sh", "-c", command};
  request.environment = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8"};
  request.fds = {input.get(), STDERR_FILENO, STDERR_FILENO};
  auto status = run_within(request, kCommandLimitMs);
  if (!status) return std::unexpected(std::move(status).error().in("the command"));
  if (*status != 0) return fail("the command " + os::describe({0, *status}));
  return {};
}

}  // namespace

std::string utc_now() {
  const auto now = std::chrono::system_clock::now();
  const std::time_t seconds = std::chrono::system_clock::to_time_t(now);
  std::tm parts{};
  static_cast<void>(::gmtime_r(&seconds, &parts));
  const auto millis = std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count() % 1000;
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", parts.tm_year + 1900, parts.tm_mon + 1,
                     parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec, millis);
}

Event listen_event(const ports::ListenEvent& seen, bool declared) {
  const std::string place = seen.place.text();
  const ports::FindingKind& kind = ports::kind_of(ports::FindingId::unexpected);
  Event event;
  event.alarm = !seen.closed && !declared;
  event.json =
      fmt::format(R"({{"time":"{}","event":"{}","place":{},"pid":{},"name":{},"declared":{})", utc_now(),
                  seen.closed ? "closed" : "listen", json::quoted(place), seen.pid, json::quoted(seen.name), declared);
  if (event.alarm) event.json += fmt::format(R"(,"id":"{}","severity":"{}")", kind.name, ports::name_of(kind.severity));
  event.json += "}";
  event.human = fmt::format("{}  {}  {}  {} (pid {}){}", utc_now(), seen.closed ? "closed" : "listen", place,
                            printable(seen.name), seen.pid, declared ? "" : "  not declared");
  return event;
}

Event drift_event(const ports::Finding& finding, bool appeared) {
  const ports::FindingKind& kind = ports::kind_of(finding.id);
  Event event;
  event.alarm = true;
  event.json = fmt::format(R"({{"time":"{}","event":"{}","id":"{}","severity":"{}","subject":{},"text":{}}})",
                           utc_now(), appeared ? "drift" : "resolved", kind.name, ports::name_of(kind.severity),
                           json::quoted(finding.subject), json::quoted(finding.text));
  event.human = fmt::format("{}  {}  {}  {}  {}", utc_now(), appeared ? "drift" : "resolved",
                            ports::name_of(kind.severity), kind.name, printable(finding.text, 2000));
  return event;
}

Event trouble_event(const std::string& text) {
  Event event;
  event.alarm = true;
  event.json = fmt::format(R"({{"time":"{}","event":"trouble","id":"ports.view-incomplete","text":{}}})", utc_now(),
                           json::quoted(text));
  event.human = fmt::format("{}  trouble  {}", utc_now(), printable(text, 2000));
  return event;
}

Event watching_event(bool traced) {
  const std::string_view means = traced ? "tracepoint" : "poll";
  Event event;
  event.json = fmt::format(R"({{"time":"{}","event":"watching","by":"{}"}})", utc_now(), means);
  event.human = fmt::format("{}  watching  by {}", utc_now(), means);
  return event;
}

Status check(const Recipients& recipients) {
  return recipients.webhook.url.empty() ? Status{} : check(recipients.webhook);
}

std::size_t tell(const Event& event, const Recipients& recipients) {
  print((recipients.json ? event.json : event.human) + "\n");
  if (!event.alarm) return 0;
  std::size_t untold = 0;
  const auto result = [&](const Status& told) {
    if (told) return;
    ++untold;
    complain(told.error().message);
  };
  if (!recipients.command.empty()) result(run(recipients.command, event.json + "\n"));
  if (!recipients.webhook.url.empty()) result(post(recipients.webhook, event.json));
  return untold;
}

void write_metrics(const Metrics& metrics, const std::string& path) {
  std::string text =
      "# HELP clawql_ports_findings Differences from the expected state that are present.\n"
      "# TYPE clawql_ports_findings gauge\n";
  for (const ports::FindingKind& kind : ports::finding_kinds()) {
    const auto found = metrics.findings.find(std::string(kind.name));
    text += fmt::format("clawql_ports_findings{{id=\"{}\",severity=\"{}\"}} {}\n", kind.name,
                        ports::name_of(kind.severity), found == metrics.findings.end() ? 0 : found->second);
  }
  const auto counter = [&](std::string_view name, std::string_view help, std::uint64_t value) {
    text += fmt::format("# HELP {0} {1}\n# TYPE {0} counter\n{0} {2}\n", name, help, value);
  };
  counter("clawql_ports_listens_total", "Sockets that began to listen.", metrics.listens);
  counter("clawql_ports_undeclared_listens_total", "Those in no declared place.", metrics.undeclared);
  counter("clawql_ports_untold_alarms_total", "Alarms that the command or the webhook did not take.", metrics.untold);
  counter("clawql_ports_lost_events_total", "Events that the kernel could not keep.", metrics.lost);
  text +=
      fmt::format("# TYPE clawql_ports_checked_timestamp_seconds gauge\nclawql_ports_checked_timestamp_seconds {}\n",
                  std::time(nullptr));
  // Written beside and renamed, so that a collector never reads half of it.
  const std::string beside = path + ".new";
  const os::Fd file(::open(beside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644));
  const bool written = file && ::write(file.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
  if (!written || std::rename(beside.c_str(), path.c_str()) != 0) complain(Error::system(path).message);
}

}  // namespace clawql::cli
