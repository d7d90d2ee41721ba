// The audit files, the log relay and the servers' command lines.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/clock.hpp"
#include "os/process.hpp"
#include "supervisor/audit_files.hpp"
#include "supervisor/log_relay.hpp"
#include "supervisor/server_command.hpp"
#include "supervisor/servers.hpp"

namespace clawql::supervisor {
namespace {

using testing::ElementsAre;

class AuditFilesTest : public testing::Test {
 protected:
  AuditFilesTest() {
    char name[] = "/tmp/clawql-sv-XXXXXX";
    folder_ = ::mkdtemp(name);
    settings_.path = folder_ + "/log/audit.jsonl";
    settings_.file_bytes = 8;
    settings_.files = 3;
  }
  ~AuditFilesTest() override { std::filesystem::remove_all(folder_); }
  static void write(const os::Fd& fd, std::string_view text) {
    ASSERT_EQ(::write(fd.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }
  static std::string content(const std::string& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  std::string folder_;
  config::Audit settings_;
};

TEST_F(AuditFilesTest, TheFileIsAppendOnlyAndClosedToOthers) {
  const AuditFiles files(settings_, std::nullopt);
  const auto fd = files.open();
  ASSERT_TRUE(fd) << fd.error().message;
  struct stat facts{};
  ASSERT_EQ(::stat(settings_.path.c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777U, 0640U);
  ASSERT_EQ(::stat((folder_ + "/log").c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777U, 0750U);
  EXPECT_NE(::fcntl(fd->get(), F_GETFL) & O_APPEND, 0);
  EXPECT_EQ(::fcntl(fd->get(), F_GETFL) & O_ACCMODE, O_WRONLY);
}

TEST_F(AuditFilesTest, AFullFileMovesOnAndTheOldestGoes) {
  const AuditFiles files(settings_, std::nullopt);
  auto fd = files.open();
  for (const char* text : {"11111111", "22222222", "33333333", "4"}) {
    write(*fd, text);
    if (text[0] != '4') fd = files.next();
    ASSERT_TRUE(fd);
  }
  EXPECT_EQ(content(settings_.path), "4");
  EXPECT_EQ(content(settings_.path + ".1"), "33333333");
  EXPECT_EQ(content(settings_.path + ".2"), "22222222");
  EXPECT_FALSE(std::filesystem::exists(settings_.path + ".3"));
}

TEST_F(AuditFilesTest, AFileThatIsNotNearlyFullIsNotRotatedAway) {
  const AuditFiles files(settings_, std::nullopt);
  write(*files.open(), "12345");
  ASSERT_TRUE(files.next());
  EXPECT_EQ(content(settings_.path), "12345");
  EXPECT_FALSE(std::filesystem::exists(settings_.path + ".1"));
}

TEST_F(AuditFilesTest, ASymlinkOrAFifoIsRefused) {
  ASSERT_TRUE(std::filesystem::create_directory(folder_ + "/log"));
  ASSERT_EQ(::symlink("/tmp/elsewhere", settings_.path.c_str()), 0);
  const AuditFiles files(settings_, std::nullopt);
  EXPECT_FALSE(files.open());
  ASSERT_EQ(::unlink(settings_.path.c_str()), 0);
  ASSERT_EQ(::mkfifo(settings_.path.c_str(), 0600), 0);
  EXPECT_FALSE(files.open());
}

class LogRelayTest : public testing::Test {
 protected:
  LogRelayTest() : loop_(clock_), in_(*os::make_pipe()), out_(*os::make_pipe()) {
    EXPECT_TRUE(os::set_nonblocking(out_.first.get()));
    EXPECT_TRUE(os::set_nonblocking(out_.second.get()));
  }
  std::string relayed() {
    while (loop_.poll() > 0) {
    }
    std::string text(1 << 17, '\0');
    const ssize_t got = ::read(out_.first.get(), text.data(), text.size());
    text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
    return text;
  }
  void say(std::string_view text) {
    ASSERT_EQ(::write(in_.second.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }
  base::SystemClock clock_;
  io::Loop loop_;
  std::pair<os::Fd, os::Fd> in_, out_;
};

TEST_F(LogRelayTest, LinesArriveWholeAndAnUnfinishedOneWaits) {
  LogRelay relay(loop_, std::move(in_.first), out_.second.get());
  say("one\ntw");
  EXPECT_EQ(relayed(), "one\n");
  say("o\n");
  EXPECT_EQ(relayed(), "two\n");
}

TEST_F(LogRelayTest, ATerminalSeesNoControlCharacter) {
  LogRelay relay(loop_, std::move(in_.first), out_.second.get());
  say("\x1b[2Jx\x07\x7f \xc2\x9b caf\xc3\xa9\n");
  EXPECT_EQ(relayed(), "?[2Jx?? \xc2? caf\xc3\xa9\n");
}

TEST_F(LogRelayTest, WhatFindsNoRoomIsDroppedAndCounted) {
  os::widen_pipe(out_.second.get(), 4096);
  LogRelay relay(loop_, std::move(in_.first), out_.second.get());
  for (int i = 0; i < 20; ++i) say(std::string(1000, 'x') + "\n");
  EXPECT_LE(relayed().size(), 4096U);
  EXPECT_GE(relay.dropped(), 15U);
  say("again\n");
  EXPECT_EQ(relayed(), "again\n");
}

TEST_F(LogRelayTest, AnEndlessLineIsCutInPieces) {
  LogRelay relay(loop_, std::move(in_.first), out_.second.get());
  say(std::string(10'000, 'x'));
  EXPECT_EQ(relayed().size(), 2 * 4096U);
}

TEST_F(LogRelayTest, TheLastWordsOfADyingChildAreRelayed) {
  {
    LogRelay relay(loop_, std::move(in_.first), out_.second.get());
    say("last words");
  }
  EXPECT_EQ(relayed(), "last words\n");
}

TEST(ServerCommand, TheSandboxIsNamedBeforeTheCommand) {
  config::Server server;
  server.command = "npx";
  server.args = {"-y", "--listen"};
  EXPECT_THAT(run_arguments(server, false), ElementsAre("clawql-run", "--", "npx", "-y", "--listen"));
  server.sandbox = {true, true, {"/a"}, {"/b"}};
  EXPECT_THAT(run_arguments(server, true), ElementsAre("clawql-run", "--require-sandbox", "--listen", "--unix",
                                                       "--read", "/a", "--write", "/b", "--", "npx", "-y", "--listen"));
}

TEST(ServerCommand, TheEnvironmentIsTheListAndWhatTheEntryDeclares) {
  config::Server server;
  server.environment = {{"KEY", "value"}, {"TZ", "UTC"}};
  os::User user;
  user.name = "ann";
  user.home = "/home/ann";
  user.shell = "/bin/zsh";
  const config::Environment own{{"HOME", "/elsewhere"}, {"PATH", "/p"},      {"SECRET", "s"},
                                {"TZ", "Asia/Tokyo"},   {"LD_PRELOAD", "x"}, {"TMPDIR", "/t"}};
  EXPECT_THAT(server_environment(server, user, own),
              ElementsAre("HOME=/home/ann", "KEY=value", "LOGNAME=ann", "PATH=/p", "SHELL=/bin/zsh", "TMPDIR=/t",
                          "TZ=UTC", "USER=ann"));
  EXPECT_THAT(program_environment(own), ElementsAre("TZ=Asia/Tokyo"));
}

TEST(ServerEnd, ReadsAsTheOperatorNeedsIt) {
  EXPECT_EQ(describe_end({1, 3 << 8}, ""), "exited with status 3");
  EXPECT_EQ(describe_end({1, 137 << 8}, ""), "killed by SIGKILL");
  EXPECT_EQ(describe_end({1, 9}, ""), "its launcher was killed by SIGKILL");
  EXPECT_EQ(describe_end({1, 127 << 8}, "npx: No such file or directory"),
            "could not be started: npx: No such file or directory");
}

}  // namespace
}  // namespace clawql::supervisor
