#include "os/spawn.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>

#include "os/process.hpp"
#include "os/users.hpp"

namespace clawql::os {
namespace {

std::string read_all(const Fd& fd) {
  std::string text;
  char room[4096];
  for (ssize_t got = 0; (got = ::read(fd.get(), room, sizeof room)) > 0;) text.append(room, static_cast<size_t>(got));
  return text;
}

int wait_for(const Child& child) {
  int status = 0;
  ::waitpid(child.pid, &status, 0);
  return status;
}

// Runs a shell line with its output on a pipe and returns what it printed.
std::string output_of(const std::string& line, SpawnRequest request = {}) {
  auto pipe = make_pipe();
  SystemSpawner spawner;
  request.program = "/bin/sh";
  request.arguments = {"sh", "-c", line};
  request.fds = {-1, pipe->second.get(), pipe->second.get()};
  const auto child = spawner.spawn(request);
  if (!child) return "error: " + child.error().message;
  pipe->second.reset();
  std::string text = read_all(pipe->first);
  wait_for(*child);
  return text;
}

TEST(Spawn, GivesExactlyTheNamedDescriptors) {
  const Fd stray(::open("/dev/zero", O_RDONLY));  // not close-on-exec: must not arrive all the same
  ASSERT_TRUE(stray);
  // `ls` opens the folder itself as 3.
  EXPECT_EQ(output_of("ls /proc/self/fd | tr '\\n' ' '"), "0 1 2 3 ");
}

TEST(Spawn, ADescriptorMayMoveOverAnotherSource) {
  auto one = make_pipe();
  auto two = make_pipe();
  SystemSpawner spawner;
  SpawnRequest request;
  request.program = "/bin/sh";
  request.arguments = {"sh", "-c", "echo one >&3; echo two >&4"};
  // Sources chosen so that each target number is also a source number of another.
  request.fds = {-1, -1, -1, one->second.get(), two->second.get(), one->first.get(), two->first.get()};
  const auto child = spawner.spawn(request);
  ASSERT_TRUE(child) << child.error().message;
  one->second.reset();
  two->second.reset();
  EXPECT_EQ(read_all(one->first), "one\n");
  EXPECT_EQ(read_all(two->first), "two\n");
  wait_for(*child);
}

TEST(Spawn, GivesExactlyTheNamedEnvironmentAndFolder) {
  SpawnRequest request;
  request.environment = {"ONLY=this"};
  request.working_directory = "/usr";
  const std::string text = output_of("/usr/bin/env; pwd", request);
  EXPECT_NE(text.find("ONLY=this\n"), std::string::npos) << text;
  EXPECT_EQ(text.find("PATH="), std::string::npos) << text;
  EXPECT_NE(text.find("/usr\n"), std::string::npos) << text;
}

TEST(Spawn, AnErrorNamesTheStep) {
  SystemSpawner spawner;
  SpawnRequest request;
  request.program = "/nonexistent/program";
  request.arguments = {"program"};
  auto missing = spawner.spawn(request);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().message, "exec /nonexistent/program: No such file or directory");
  EXPECT_EQ(missing.error().system_errno, ENOENT);
  request.program = "/bin/true";
  request.working_directory = "/nonexistent";
  auto nowhere = spawner.spawn(request);
  ASSERT_FALSE(nowhere);
  EXPECT_EQ(nowhere.error().message, "chdir /bin/true: No such file or directory");
  EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1) << "a child was left behind";
}

TEST(Spawn, SignalsAreDefaultAndUnblockedInTheChild) {
  static_cast<void>(::signal(SIGPIPE, SIG_IGN));
  const std::string text = output_of("grep -E '^Sig(Blk|Ign)' /proc/self/status | tr -d '\\n'");
  EXPECT_EQ(text, "SigBlk:\t0000000000000000SigIgn:\t0000000000000000");
}

TEST(Spawn, TheChildLeadsASessionOfItsOwn) {
  const std::string text = output_of("cut -d' ' -f1,6 /proc/$$/stat");
  const auto space = text.find(' ');
  ASSERT_NE(space, std::string::npos);
  EXPECT_EQ(text.substr(0, space) + "\n", text.substr(space + 1));
}

TEST(Spawn, AUserIsSwitchedWholeAndTheDeathSignalSurvivesIt) {
  SpawnRequest request;
  request.identity = find_user("nobody")->identity;
  request.parent_death_signal = SIGTERM;
  const std::string text = output_of("id -u; id -ru; id -G | wc -w; grep CapEff /proc/self/status", request);
  if (::geteuid() == 0) {
    EXPECT_EQ(text, "65534\n65534\n1\nCapEff:\t0000000000000000\n");
  } else {
    EXPECT_EQ(text, "error: setgroups /bin/sh: Operation not permitted");
  }
}

TEST(Spawn, ASignalReachesTheChildByItsPidfd) {
  SystemSpawner spawner;
  SpawnRequest request;
  request.program = "/bin/sleep";
  request.arguments = {"sleep", "100"};
  const auto child = spawner.spawn(request);
  ASSERT_TRUE(child);
  EXPECT_EQ(children_of_self(), std::vector<pid_t>{child->pid});
  send_signal(child->pidfd, SIGTERM);
  const int status = wait_for(*child);
  EXPECT_EQ(describe(Exit{child->pid, status}), "killed by SIGTERM");
  EXPECT_EQ(describe(Exit{1, 3 << 8}), "exited with status 3");
}

TEST(Spawn, TheChildDiesWithItsParent) {
  auto pipe = make_pipe();
  const pid_t middle = ::fork();
  if (middle == 0) {
    SystemSpawner spawner;
    SpawnRequest request;
    request.program = "/bin/sleep";
    request.arguments = {"sleep", "100"};
    request.fds = {-1, pipe->second.get()};
    ::_exit(spawner.spawn(request) ? 0 : 1);
  }
  pipe->second.reset();
  int status = 0;
  ::waitpid(middle, &status, 0);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(read_all(pipe->first), "");  // ends only when nobody holds the write end
}

TEST(Users, NamesAndNumbersAreFound) {
  const auto root = find_user("root");
  ASSERT_TRUE(root);
  EXPECT_EQ(root->identity.uid, 0U);
  EXPECT_EQ(root->home, "/root");
  EXPECT_EQ(find_user("0")->name, "root");
  EXPECT_EQ(find_user("54321")->identity.gid, 54321U);
  EXPECT_FALSE(find_user("no-such-user"));
  EXPECT_EQ(*find_group("root"), 0U);
  EXPECT_EQ(*find_group("77"), 77U);
  EXPECT_FALSE(find_group("no-such-group"));
}

}  // namespace
}  // namespace clawql::os
