// `clawql ports declare` and `clawql ports audit`; `watch` is in ports_watch.cpp.
#include "ports.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <array>
#include <cerrno>
#include <cstdio>
#include <ctime>
#include <memory>
#include <span>

#include "commands.hpp"
#include "exposure/ports/compare.hpp"
#include "exposure/ports/report.hpp"
#include "files.hpp"
#include "os/fd.hpp"
#include "os/files.hpp"
#include "output.hpp"

namespace clawql::cli {
namespace {

namespace ports = exposure::ports;

struct Choice {
  std::string expected = kExpectedFile;
  std::string output;
  std::string report;
  std::string namespaces = "all";
  bool json = false;
  bool sarif = false;
  bool force = false;
};

int declare(const Choice& choice) {
  ports::Scope scope;
  scope.other_spaces = choice.namespaces == "all";
  const auto survey = ports::take_survey(scope);
  if (!survey) {
    complain(survey.error().message);
    return kCouldNotTell;
  }
  std::string text = ports::write_expected(*survey);
  if (!scope.other_spaces) text.replace(text.find("listeners:"), 0, "namespaces: own\n");
  for (const ports::Finding& gap : survey->gaps) complain("not seen: " + printable(gap.text, 2000));
  if (choice.output.empty() || choice.output == "-") {
    print(text);
  } else {
    const auto there = read_file_if_there(choice.output);
    if (there && *there && !choice.force) {
      complain(choice.output + " exists: --force replaces it and keeps the old one beside it");
      return kCouldNotTell;
    }
    if (const auto kept = replace_file(choice.output, text); !kept) {
      complain(kept.error().message);
      return kCouldNotTell;
    }
  }
  return survey->gaps.empty() ? kAsDeclared : kCouldNotTell;
}

// The gateway takes what nobody else can have written. A folder that is not there belongs to no gateway of this host.
Status write_report(const Choice& choice, std::span<const ports::Finding> findings) {
  const std::string folder = os::parent_of(choice.report);
  if (::access(folder.c_str(), F_OK) != 0 && errno == ENOENT) {
    complain(folder + " does not exist, so no gateway reads a report there: not written");
    return {};
  }
  const std::string text = ports::report_file(choice.expected, findings, std::time(nullptr));
  const std::string beside = choice.report + ".new";
  ::unlink(beside.c_str());  // of a run that was interrupted
  const os::Fd file(::open(beside.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644));
  if (!file) return fail_system(beside);
  if (::fchmod(file.get(), 0644) != 0 ||
      ::write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()))
    return fail_system(beside);
  if (std::rename(beside.c_str(), choice.report.c_str()) != 0) return fail_system(choice.report);
  return {};
}

// An audit that could not be made is a finding of the report, too: the one before it must not pass for the present.
int give_up(const Choice& choice, const Error& error) {
  complain(error.message);
  if (choice.report.empty()) return kCouldNotTell;
  const std::array finding{ports::Finding{ports::FindingId::view_incomplete, "the audit", error.message, 1}};
  if (const Status written = write_report(choice, finding); !written) complain(written.error().message);
  return kCouldNotTell;
}

int audit(const Choice& choice) {
  const auto expected = read_expected(choice.expected);
  if (!expected) return give_up(choice, expected.error());
  const auto survey = ports::take_survey(scope_of(*expected));
  if (!survey) return give_up(choice, survey.error());
  const auto findings = ports::compare(*expected, *survey);
  if (choice.sarif)
    print(ports::report_sarif(*expected, findings));
  else if (choice.json)
    print(ports::report_json(*expected, *survey, findings));
  else
    print(ports::report_text(*survey, findings));
  if (choice.report.empty()) return ports::exit_status(findings);
  if (const Status written = write_report(choice, findings); !written) {
    complain(written.error().message);
    return kCouldNotTell;
  }
  return ports::exit_status(findings);
}

}  // namespace

Result<exposure::ports::ExpectedState> read_expected(const std::string& path) {
  CLAWQL_TRY(const std::string text, read_file(path));
  return ports::parse_expected(text, path);
}

exposure::ports::Scope scope_of(const exposure::ports::ExpectedState& expected) {
  return {.other_spaces = expected.other_spaces, .unix_sockets = expected.unix_sockets};
}

void add_ports(CLI::App& program, int& exit_status) {
  auto* command = program.add_subcommand("ports", "What listens on this host, compared with what may");
  command->require_subcommand(1);
  auto choice = std::make_shared<Choice>();

  auto* declare_command = command->add_subcommand("declare", "Write the expected state from what listens now");
  declare_command->add_option("-o,--output", choice->output, "The file (default: standard output)");
  declare_command->add_option("--namespaces", choice->namespaces, "all or own")->check(CLI::IsMember({"all", "own"}));
  declare_command->add_flag("--force", choice->force, "Replace an existing file");
  declare_command->callback([=, &exit_status] { exit_status = declare(*choice); });

  auto* audit_command = command->add_subcommand("audit", "Compare what listens with the expected state");
  audit_command->add_option("--expected", choice->expected, "The expected state")->capture_default_str();
  auto* json = audit_command->add_flag("--json", choice->json, "For scripts");
  audit_command->add_flag("--sarif", choice->sarif, "SARIF 2.1.0")->excludes(json);
  audit_command->add_option(
      "--report", choice->report,
      "Also write it here, whole or not at all, for a gateway whose exposure.report names the file");
  audit_command->callback([=, &exit_status] { exit_status = audit(*choice); });

  add_ports_watch(*command, exit_status);
}

}  // namespace clawql::cli
