// For tests: a server process that is not there. The test holds the other ends of its pipes and plays its part; the
// launcher only writes down what it was asked for.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.hpp"
#include "engine/upstream/launcher.hpp"
#include "os/fd.hpp"

namespace clawql::engine::upstream::testing_support {

class FakeProcess {
 public:
  // A new process; gives what the supervisor would send.
  Pipes spawn(std::uint64_t incarnation) {
    buffer_.clear();
    auto [stdin_read, stdin_write] = make_pipe();
    auto [stdout_read, stdout_write] = make_pipe();
    auto [stderr_read, stderr_write] = make_pipe();
    input = std::move(stdin_read);
    output = std::move(stdout_write);
    errors = std::move(stderr_write);
    return {.incarnation = incarnation,
            .to_server = std::move(stdin_write),
            .from_server = std::move(stdout_read),
            .errors = std::move(stderr_read)};
  }
  void die() {
    input.reset();
    output.reset();
    errors.reset();
  }
  void say(std::string_view line) { write_all(output, std::string(line) + "\n"); }
  void complain(std::string_view line) { write_all(errors, std::string(line) + "\n"); }
  static void write_all(const os::Fd& fd, std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t size = ::write(fd.get(), bytes.data(), bytes.size());
      if (size < 0) return;  // the reader is gone, or its pipe full
      bytes.remove_prefix(static_cast<std::size_t>(size));
    }
  }
  // Whole lines that came in so far.
  std::vector<std::string> heard() {
    char piece[65536];
    for (ssize_t size = 0; (size = ::read(input.get(), piece, sizeof piece)) > 0;)
      buffer_.append(piece, static_cast<std::size_t>(size));
    std::vector<std::string> lines;
    for (std::size_t end = 0; (end = buffer_.find('\n')) != std::string::npos; buffer_.erase(0, end + 1))
      lines.push_back(buffer_.substr(0, end));
    return lines;
  }

  os::Fd input, output, errors;

 private:
  static std::pair<os::Fd, os::Fd> make_pipe() {
    int ends[2];
    CLAWQL_CHECK(::pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0);
    return {os::Fd(ends[0]), os::Fd(ends[1])};
  }
  std::string buffer_;
};

class FakeLauncher final : public Launcher {
 public:
  void start(std::string_view server, std::uint64_t instance) override { write_down("start ", server, instance); }
  void stop(std::string_view server, std::uint64_t instance) override { write_down("stop ", server, instance); }
  void restart(std::string_view server, std::uint64_t instance) override { write_down("restart ", server, instance); }
  std::vector<std::string> asked;  // "start files", or "start files 7" for an instance of its own

 private:
  void write_down(std::string what, std::string_view server, std::uint64_t instance) {
    what += server;
    if (instance != kShared) what += " " + std::to_string(instance);
    asked.push_back(std::move(what));
  }
};

}  // namespace clawql::engine::upstream::testing_support
