// `clawql ports watch`: what changes, when it changes.
#include <poll.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <csignal>
#include <memory>
#include <optional>

#include "commands.hpp"
#include "exposure/ports/compare.hpp"
#include "exposure/ports/trace.hpp"
#include "files.hpp"
#include "os/process.hpp"
#include "output.hpp"
#include "ports.hpp"
#include "ports_event.hpp"

namespace clawql::cli {
namespace {

namespace ports = exposure::ports;
using Clock = std::chrono::steady_clock;

// After a change others tend to follow; the audit waits for them a little.
constexpr std::chrono::milliseconds kSettle{200};

struct Choice {
  std::string expected = kExpectedFile;
  unsigned interval = 5;
  bool poll_only = false;
  std::string webhook_file;
  Recipients recipients;
};

class Watch {
 public:
  Watch(const Choice& choice, ports::ExpectedState expected) : choice_(choice), expected_(std::move(expected)) {}

  int run() {
    auto signals = os::signal_descriptor({SIGTERM, SIGINT, SIGHUP});
    if (!signals) return give_up(signals.error());
    own_space_ = ports::own_space();
    if (!choice_.poll_only) open_trace();
    if (const Status first = audit(); !first) return give_up(first.error());
    tell_of(watching_event(trace_.has_value()));
    while (!is_orphaned()) {
      std::array<pollfd, 2> wanted{{{signals->get(), POLLIN, 0}, {trace_ ? trace_->fd() : -1, POLLIN, 0}}};
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(next_ - Clock::now()).count();
      ::poll(wanted.data(), wanted.size(), static_cast<int>(std::max<std::int64_t>(left, 0)));
      while (const auto signal = os::next_signal(*signals)) {
        if (*signal != SIGHUP) return kAsDeclared;
        reload();
      }
      listens();
      if (Clock::now() < next_) continue;
      if (const Status seen = audit(); !seen) tell_of(trouble_event(seen.error().message));
    }
    return kAsDeclared;
  }

 private:
  static int give_up(const Error& error) {
    complain(error.message);
    return kCouldNotTell;
  }

  void tell_of(const Event& event) { metrics_.untold += tell(event, choice_.recipients); }

  // Nobody reads what we print any more.
  static bool is_orphaned() {
    pollfd reader{.fd = 1, .events = 0, .revents = 0};
    return ::poll(&reader, 1, 0) > 0 && (reader.revents & (POLLERR | POLLHUP)) != 0;
  }

  void open_trace() {
    auto trace = ports::ListenTrace::open();
    if (trace) {
      trace_.emplace(std::move(*trace));
      return;
    }
    complain("no tracepoint, so a listener that lives shorter than --interval can be missed: " + trace.error().message);
  }

  void reload() {
    auto again = read_expected(choice_.expected);
    if (again)
      expected_ = std::move(*again);
    else
      tell_of(trouble_event("the expected state is kept as it was: " + again.error().message));
    next_ = Clock::now();
  }

  bool is_declared(const ports::Place& place) const {
    return std::ranges::any_of(expected_.listeners, [&](const ports::ExpectedListener& declared) {
      const ports::Place& known = declared.place;
      return known.protocol == place.protocol && known.address == place.address &&
             (declared.any_port || known.port == place.port);
    });
  }

  void listens() {
    if (!trace_) return;
    const auto events = trace_->read();
    if (!events) {
      tell_of(trouble_event(events.error().message));
      trace_.reset();
      return;
    }
    for (const ports::ListenEvent& event : *events) {
      if (!expected_.other_spaces && event.space != 0 && event.space != own_space_) continue;
      const bool declared = is_declared(event.place);
      metrics_.listens += event.closed ? 0 : 1;
      metrics_.undeclared += event.closed || declared ? 0 : 1;
      tell_of(listen_event(event, declared));
    }
    if (trace_->lost() != metrics_.lost) {
      metrics_.lost = trace_->lost();
      tell_of(trouble_event("the kernel lost events of listeners"));
    }
    if (!events->empty()) next_ = std::min(next_, Clock::now() + kSettle);
  }

  Status audit() {
    next_ = Clock::now() + std::chrono::seconds(choice_.interval);
    CLAWQL_TRY(const auto survey, ports::take_survey(scope_of(expected_)));
    auto now = ports::compare(expected_, survey);
    const auto holds = [](const std::vector<ports::Finding>& list, const ports::Finding& one) {
      return std::ranges::any_of(
          list, [&](const ports::Finding& other) { return other.id == one.id && other.subject == one.subject; });
    };
    metrics_.findings.clear();
    for (const ports::Finding& finding : now) ++metrics_.findings[std::string(ports::kind_of(finding.id).name)];
    if (!choice_.recipients.metrics_file.empty()) write_metrics(metrics_, choice_.recipients.metrics_file);
    for (const ports::Finding& finding : now)
      if (!holds(last_, finding)) tell_of(drift_event(finding, true));
    for (const ports::Finding& finding : last_)
      if (!holds(now, finding)) tell_of(drift_event(finding, false));
    last_ = std::move(now);
    return {};
  }

  const Choice& choice_;
  ports::ExpectedState expected_;
  std::optional<ports::ListenTrace> trace_;
  std::vector<ports::Finding> last_;
  Metrics metrics_;
  std::uint64_t own_space_ = 0;
  Clock::time_point next_;
};

Status read_webhook(Choice& choice) {
  if (choice.webhook_file.empty()) return {};
  CLAWQL_TRY(choice.recipients.webhook.url, read_file(choice.webhook_file));
  while (choice.recipients.webhook.url.ends_with('\n')) choice.recipients.webhook.url.pop_back();
  return {};
}

int watch(Choice& choice) {
  if (const Status read = read_webhook(choice); !read) {
    complain(read.error().message);
    return kCouldNotTell;
  }
  if (const Status usable = check(choice.recipients); !usable) {
    complain(usable.error().message);
    return kCouldNotTell;
  }
  auto expected = read_expected(choice.expected);
  if (!expected) {
    complain(expected.error().message);
    return kCouldNotTell;
  }
  return Watch(choice, std::move(*expected)).run();
}

}  // namespace

void add_ports_watch(CLI::App& ports_command, int& exit_status) {
  auto* command = ports_command.add_subcommand("watch", "Tell each change when it happens, until SIGTERM");
  auto choice = std::make_shared<Choice>();
  command->add_option("--expected", choice->expected, "The expected state; read again on SIGHUP")
      ->capture_default_str();
  command->add_option("--interval", choice->interval, "Seconds between audits of what has no tracepoint")
      ->check(CLI::Range(1U, 86'400U))
      ->capture_default_str();
  command->add_flag("--poll", choice->poll_only, "Without the tracepoint");
  command->add_flag("--json", choice->recipients.json, "One JSON object a line");
  command->add_option("--command", choice->recipients.command,
                      "Run by sh for each alarm, the event as JSON on its stdin");
  auto* webhook = command->add_option("--webhook", choice->recipients.webhook.url,
                                      "https://HOST[:PORT]/PATH that each alarm is posted to (by curl)");
  command->add_option("--webhook-file", choice->webhook_file, "The file that holds its URL, when that is a secret")
      ->excludes(webhook);
  command->add_option("--webhook-ca", choice->recipients.webhook.authorities,
                      "Certificates (PEM) to trust instead of the system's");
  command->add_option("--metrics-file", choice->recipients.metrics_file, "Kept in the form of Prometheus");
  command->callback([=, &exit_status] { exit_status = watch(*choice); });
}

}  // namespace clawql::cli
