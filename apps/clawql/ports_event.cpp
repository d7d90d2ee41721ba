#include "ports_event.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <netdb.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <ctime>
#include <memory>

#include "json/writer.hpp"
#include "os/fd.hpp"
#include "os/process.hpp"
#include "os/spawn.hpp"
#include "output.hpp"

namespace clawql::cli {
namespace {

namespace ports = exposure::ports;

constexpr int kCommandLimitMs = 10'000;
constexpr timeval kWebhookTime{.tv_sec = 5, .tv_usec = 0};

struct Url {
  std::string host, port = "80", path = "/";
};

Result<Url> parse_url(const std::string& text) {
  if (!text.starts_with("http://"))
    return fail(printable(text) + ": a webhook is http://HOST[:PORT]/PATH; for https use --command with curl");
  Url url;
  std::string rest = text.substr(7);
  if (const auto slash = rest.find('/'); slash != std::string::npos) {
    url.path = rest.substr(slash);
    rest.resize(slash);
  }
  const auto colon = rest.rfind(':');
  if (colon != std::string::npos && rest.find(']', colon) == std::string::npos) {
    url.port = rest.substr(colon + 1);
    rest.resize(colon);
  }
  if (rest.starts_with('[') && rest.ends_with(']')) rest = rest.substr(1, rest.size() - 2);
  url.host = rest;
  const bool unsafe = text.find_first_of(" \r\n\t\"") != std::string::npos;
  if (url.host.empty() || unsafe || url.port.find_first_not_of("0123456789") != std::string::npos)
    return fail(printable(text) + " is no http://HOST[:PORT]/PATH");
  return url;
}

Status post(const Url& url, const std::string& body) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* raw = nullptr;
  if (const int error = ::getaddrinfo(url.host.c_str(), url.port.c_str(), &hints, &raw); error != 0)
    return fail(url.host + ": " + ::gai_strerror(error));
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> addresses(raw, ::freeaddrinfo);
  Status last = fail(url.host + " has no address");
  for (const addrinfo* one = addresses.get(); one != nullptr; one = one->ai_next) {
    const os::Fd socket(::socket(one->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &kWebhookTime, sizeof kWebhookTime);
    ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &kWebhookTime, sizeof kWebhookTime);
    last = fail_system("connect to the webhook");
    if (::connect(socket.get(), one->ai_addr, one->ai_addrlen) != 0) {
      last = fail_system("connect to the webhook");
      continue;
    }
    const std::string request = fmt::format(
        "POST {} HTTP/1.1\r\nHost: {}:{}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: "
        "close\r\n\r\n{}",
        url.path, url.host, url.port, body.size(), body);
    if (::send(socket.get(), request.data(), request.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(request.size()))
      return fail_system("send to the webhook");
    std::string status(12, '\0');
    const ssize_t got = ::recv(socket.get(), status.data(), status.size(), MSG_WAITALL);
    if (got != static_cast<ssize_t>(status.size())) return fail("the webhook did not answer");
    if (status[9] != '2') return fail("the webhook answered " + printable(status.substr(9)));
    return {};
  }
  return last;
}

Status run(const std::string& command, const std::string& event) {
  // A file in memory, so that a command that does not read cannot hold us up.
  const os::Fd input(::memfd_create("event", MFD_CLOEXEC));
  if (!input || ::write(input.get(), event.data(), event.size()) != static_cast<ssize_t>(event.size()) ||
      ::lseek(input.get(), 0, SEEK_SET) != 0)
    return fail_system("memfd_create");
  os::SpawnRequest request;
  request.program = "/bin/sh";
  request.arguments = {"sh", "-c", command};
  request.environment = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8"};
  request.fds = {input.get(), STDERR_FILENO, STDERR_FILENO};
  os::SystemSpawner spawner;
  CLAWQL_TRY(const os::Child child, spawner.spawn(request));
  pollfd ended{.fd = child.pidfd.get(), .events = POLLIN, .revents = 0};
  const bool in_time = ::poll(&ended, 1, kCommandLimitMs) > 0;
  if (!in_time) os::send_signal(child.pidfd, SIGKILL);
  int status = 0;
  while (::waitpid(child.pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (!in_time) return fail("the command did not end within 10 s and was killed");
  if (status != 0) return fail("the command " + os::describe({child.pid, status}));
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
  if (recipients.webhook.empty()) return {};
  CLAWQL_TRY([[maybe_unused]] const Url url, parse_url(recipients.webhook));
  return {};
}

void tell(const Event& event, const Recipients& recipients) {
  print((recipients.json ? event.json : event.human) + "\n");
  if (!event.alarm) return;
  if (!recipients.command.empty())
    if (const Status told = run(recipients.command, event.json + "\n"); !told) complain(told.error().message);
  if (const auto url = parse_url(recipients.webhook); url)
    if (const Status told = post(*url, event.json); !told) complain(told.error().message);
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
