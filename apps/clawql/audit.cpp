// `clawql audit tail`
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <array>
#include <memory>

#include "audit_file.hpp"
#include "commands.hpp"
#include "json/document.hpp"
#include "os/fd.hpp"
#include "output.hpp"
#include "setup.hpp"

namespace clawql::cli {
namespace {

std::string human(const std::string& line) {
  const auto document = json::Document::parse(line, {.bytes = 1U << 20, .depth = 32});
  if (!document) return "  (not an event) " + printable(line) + "\n";
  const json::Value root = document->root();
  const json::Value event = root.find("event");
  std::string out = printable(text_at(root, "timestamp").substr(0, 23), 32) + "Z  " +
                    printable(text_at(event, "outcome"), 16) + "  " + printable(text_at(event, "subtype"), 64);
  const auto add = [&](std::string_view key, const std::string& value) {
    if (!value.empty()) out += "  " + std::string(key) + "=" + printable(value, 200);
  };
  add("principal", text_at(root.find("principal"), "agent"));
  add("peer", text_at(root, "peer"));
  add("server", text_at(root, "server"));
  add("tool", text_at(root, "tool"));
  add("reason", text_at(root, "reason"));
  add("detail", text_at(root, "detail"));
  if (const auto count = root.find("count").uint64(); count && *count > 1) add("count", std::to_string(*count));
  if (const auto took = root.find("durationUs").uint64()) add("took", std::to_string(*took) + "us");
  return out + "\n";
}

void show(const std::string& line, bool as_json) {
  print(as_json ? line + "\n" : human(line));
}

// Prints what is appended, from `offset` on, until stdout goes; a rotated file is followed by the next one.
int follow(const std::string& path, bool as_json, off_t offset, ino_t inode) {
  std::string pending;
  os::Fd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  while (true) {
    std::array<char, 65536> buffer;
    ssize_t size = 0;
    while (file && (size = pread(file.get(), buffer.data(), buffer.size(), offset)) > 0) {
      offset += size;
      pending.append(buffer.data(), static_cast<std::size_t>(size));
      for (auto end = pending.find('\n'); end != std::string::npos; end = pending.find('\n')) {
        show(pending.substr(0, end), as_json);
        pending.erase(0, end + 1);
      }
    }
    // Nobody reads any more, or a quarter of a second passes: inotify does not see all file systems.
    pollfd reader{.fd = STDOUT_FILENO, .events = 0, .revents = 0};
    if (poll(&reader, 1, 250) > 0 && (reader.revents & (POLLERR | POLLHUP)) != 0) return kAsDeclared;
    struct stat facts{};
    if (stat(path.c_str(), &facts) != 0 || facts.st_ino == inode) continue;
    file = os::Fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    inode = facts.st_ino;
    offset = 0;
    pending.clear();
  }
}

int tail(const std::string& config_file, std::string path, std::size_t count, bool following, bool as_json) {
  const auto setup = set_up(config_file);
  if (!setup) {
    complain(setup.error().message);
    return kCouldNotTell;
  }
  if (path.empty()) path = setup->config.audit.path;
  struct stat facts{};
  if (stat(path.c_str(), &facts) != 0) {
    complain(Error::system(path).message);
    return kCouldNotTell;
  }
  const auto lines = last_lines(path, count);
  if (!lines) {
    complain(lines.error().message);
    return kCouldNotTell;
  }
  for (const auto& line : *lines) show(line, as_json);
  return following ? follow(path, as_json, facts.st_size, facts.st_ino) : kAsDeclared;
}

}  // namespace

void add_audit(CLI::App& program, int& exit_status) {
  auto* command = program.add_subcommand("audit", "Read the audit log");
  command->require_subcommand(1);
  auto* tail_command = command->add_subcommand("tail", "The last events");
  auto config = std::make_shared<std::string>();
  auto file = std::make_shared<std::string>();
  auto count = std::make_shared<std::size_t>(20);
  auto following = std::make_shared<bool>(false);
  auto as_json = std::make_shared<bool>(false);
  tail_command->add_option("-n,--lines", *count, "How many");
  tail_command->add_flag("-f,--follow", *following, "Go on with new ones");
  tail_command->add_option("--file", *file, "The log, where it is not the configured one");
  tail_command->add_option("--config", *config, "The gateway's configuration file");
  tail_command->add_flag("--json", *as_json, "The lines as they are");
  tail_command->callback([=, &exit_status] { exit_status = tail(*config, *file, *count, *following, *as_json); });
}

}  // namespace clawql::cli
