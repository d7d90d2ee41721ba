// A gateway that looks at itself, against the kernel: the sockets, processes and files here are real.
#include "exposure/own/look.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "os/process.hpp"
#include "os/socket.hpp"

namespace clawql::exposure::own {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::Field;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr base::Microseconds kStart{0};

os::Fd listening(const os::SocketAddress& address) {
  auto socket = os::bind_tcp(address);
  EXPECT_TRUE(socket && os::start_listening(*socket));
  return std::move(*socket);
}
os::Fd listening_tcp() {
  return listening(*os::SocketAddress::ip("127.0.0.1", 0));
}
Declared declared_tcp(const os::Fd& socket) {
  Declared one;
  one.subject = "tcp " + os::SocketAddress::of(socket.get())->text();
  one.fd = socket.get();
  return one;
}
auto finding(std::string_view id, std::string_view subject) {
  return AllOf(Field(&Finding::id, id), Field(&Finding::subject, subject));
}

// A child that does `work`, says so, and waits to be killed.
class Child {
 public:
  template <class Work>
  explicit Child(Work work) {
    auto pipe = os::make_pipe();
    pid = ::fork();
    if (pid == 0) {
      work();
      (void)!::write(pipe->second.get(), "x", 1);
      for (;;) ::pause();
    }
    pipe->second.reset();
    char byte = 0;
    EXPECT_EQ(::read(pipe->first.get(), &byte, 1), 1);
  }
  ~Child() {
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  pid_t pid;
};

class LookTest : public testing::Test {
 protected:
  LookTest() {
    char name[] = "/tmp/clawql-look-XXXXXX";
    folder_ = ::mkdtemp(name);
    path_ = folder_ + "/g.sock";
    unix_ = *os::bind_unix(*os::SocketAddress::unix_path(path_));
    EXPECT_TRUE(os::start_listening(unix_));
    declared_.push_back(declared_tcp(tcp_));
    struct stat facts{};
    ::lstat(path_.c_str(), &facts);
    declared_.push_back({.subject = "unix " + path_,
                         .fd = unix_.get(),
                         .path = path_,
                         .device = facts.st_dev,
                         .inode = facts.st_ino,
                         .mode = 0600,
                         .owner = ::geteuid(),
                         .group = facts.st_gid});
  }
  ~LookTest() override { std::filesystem::remove_all(folder_); }
  std::vector<Finding> look(base::Microseconds now = kStart) { return look_.take(declared_, 0, now); }

  Look look_;
  os::Fd tcp_ = listening_tcp(), unix_;
  std::string folder_, path_;
  std::vector<Declared> declared_;
};

TEST_F(LookTest, as_declared_is_silent) {
  EXPECT_THAT(look(), IsEmpty());
}

TEST_F(LookTest, a_second_listener_of_this_process_is_named_until_it_is_closed) {
  os::Fd second = listening_tcp();
  const std::string subject = declared_tcp(second).subject;
  EXPECT_THAT(look(), ElementsAre(finding("gateway.listener.unexpected", subject)));
  second.reset();
  EXPECT_THAT(look(), IsEmpty());
}

TEST_F(LookTest, a_listener_that_was_there_before_us_is_ours_when_we_hold_it) {
  const os::Fd inherited = listening_tcp();
  Look later;
  EXPECT_THAT(later.take(declared_, 0, kStart),
              ElementsAre(finding("gateway.listener.unexpected", declared_tcp(inherited).subject)));
}

TEST_F(LookTest, a_listener_of_a_grandchild_is_named_with_its_process) {
  const std::string path = folder_ + "/server.sock";
  auto ready = os::make_pipe();
  const Child child([&] {
    if (::fork() != 0) return;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    const os::Fd mine = *os::bind_unix(*os::SocketAddress::unix_path(path));
    (void)os::start_listening(mine);
    (void)!::write(ready->second.get(), "x", 1);
    for (;;) ::pause();
  });
  char byte = 0;
  ASSERT_EQ(::read(ready->first.get(), &byte, 1), 1);
  std::vector<Finding> found = look();
  std::erase_if(found, [&](const Finding& one) { return one.subject != "unix " + path; });
  ASSERT_THAT(found, ElementsAre(finding("gateway.listener.unexpected", "unix " + path)));
  EXPECT_THAT(found[0].text, HasSubstr("(pid "));
}

TEST_F(LookTest, a_child_that_hides_its_descriptors_is_found_by_what_is_left_over) {
  std::optional<os::Fd> shared(listening_tcp());
  const std::string subject = declared_tcp(*shared).subject;
  const Child child([] { ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); });
  shared.reset();
  const auto found = look();
  const auto tree = read_tree("/proc", ::getpid());
  ASSERT_TRUE(tree);
  const bool opaque = std::ranges::any_of(*tree, &Member::opaque);
  // With CAP_SYS_PTRACE nothing is hidden from us, and the child is simply looked at.
  ASSERT_THAT(found, testing::Contains(finding("gateway.listener.unexpected", subject)));
  for (const Finding& one : found)
    if (one.subject == subject) EXPECT_THAT(one.text, HasSubstr(opaque ? "lets nobody look" : "(pid "));
}

TEST_F(LookTest, what_listened_before_the_first_child_cannot_be_its) {
  std::vector<os::DumpedSocket> sockets(1);
  sockets[0].protocol = os::DumpedSocket::Protocol::tcp;
  sockets[0].local = *os::SocketAddress::ip("127.0.0.1", 9);
  sockets[0].inode = 7;
  sockets[0].uid = 10;
  sockets[0].cgroup = 5;
  std::vector<Member> tree{{.pid = 1, .name = "api", .uid = 10, .sockets = {}, .opaque = false},
                           {.pid = 2, .name = "door", .uid = 10, .sockets = {}, .opaque = true}};
  const std::set<std::uint64_t> none;
  const auto seen = [&](std::uint64_t cgroup) {
    return Seen{.sockets = sockets, .tree = tree, .closing = none, .cgroup = cgroup, .self = 1, .door = 2};
  };
  EXPECT_EQ(compare(seen(5), {}).unattributed.size(), 1U);
  EXPECT_EQ(compare(seen(0), {}).unattributed.size(), 1U) << "not known: not excluded";
  EXPECT_THAT(compare(seen(6), {}).unattributed, IsEmpty()) << "another cgroup's";
  tree[1].uid = 11;
  EXPECT_THAT(compare(seen(5), {}).unattributed, IsEmpty()) << "another user's";
}

TEST_F(LookTest, a_declared_listener_in_a_servers_hands_is_named) {
  const Child child([] {});
  EXPECT_THAT(look(), ElementsAre(finding("gateway.listener.unexpected", declared_[0].subject),
                                  finding("gateway.listener.unexpected", declared_[1].subject)));
  EXPECT_THAT(look_.take(declared_, child.pid, kStart), IsEmpty()) << "the door may hold them";
}

TEST_F(LookTest, a_declared_listener_that_stopped_listening_is_missing) {
  ::shutdown(tcp_.get(), SHUT_RD);
  EXPECT_THAT(look(), ElementsAre(finding("gateway.listener.missing", declared_[0].subject)));
}

TEST_F(LookTest, a_changed_mode_owner_or_folder_is_drift_until_it_is_undone) {
  ::chmod(path_.c_str(), 0666);
  EXPECT_THAT(look(), ElementsAre(finding("gateway.socket.mode", declared_[1].subject)));
  ::chmod(path_.c_str(), 0600);
  ::chmod(folder_.c_str(), 0777);
  EXPECT_THAT(look(), ElementsAre(finding("gateway.socket.folder", declared_[1].subject)));
  ::chmod(folder_.c_str(), 0750);
  EXPECT_THAT(look(), IsEmpty());
  declared_[1].private_folder = true;
  EXPECT_THAT(look(), ElementsAre(finding("gateway.socket.folder", declared_[1].subject)));
  declared_[1].private_folder = false;
  ++declared_[1].group;
  EXPECT_THAT(look(), ElementsAre(finding("gateway.socket.group", declared_[1].subject)));
}

TEST_F(LookTest, a_socket_file_that_is_gone_or_another_is_drift) {
  ::unlink(path_.c_str());
  EXPECT_THAT(look(), ElementsAre(finding("gateway.socket.replaced", declared_[1].subject)));
  const os::Fd other = *os::bind_unix(*os::SocketAddress::unix_path(path_));
  EXPECT_THAT(look(), ElementsAre(finding("gateway.socket.replaced", declared_[1].subject)));
}

TEST_F(LookTest, a_closed_listener_may_live_on_for_a_moment_and_no_longer) {
  const os::Fd closing = listening_tcp();
  look_.expect_end_of(os::socket_cookie(closing.get()), kStart);
  EXPECT_THAT(look(kStart + std::chrono::seconds(9)), IsEmpty());
  EXPECT_THAT(look(kStart + std::chrono::seconds(10)),
              ElementsAre(finding("gateway.listener.unexpected", declared_tcp(closing).subject)));
}

TEST_F(LookTest, a_datagram_socket_is_a_listener_only_on_a_port_that_somebody_chose) {
  std::vector<os::DumpedSocket> sockets(1);
  sockets[0].protocol = os::DumpedSocket::Protocol::udp;
  sockets[0].inode = 7;
  const std::vector<Member> tree{{.pid = 1, .name = "node", .uid = 0, .sockets = {7}, .opaque = false}};
  const std::set<std::uint64_t> none;
  const Seen seen{.sockets = sockets, .tree = tree, .closing = none, .first_free_port = 32768, .last_free_port = 60999};
  for (const auto& [port, count] :
       {std::pair{53, 1U}, std::pair{32767, 1U}, std::pair{32768, 0U}, std::pair{60999, 0U}}) {
    sockets[0].local = *os::SocketAddress::ip("0.0.0.0", static_cast<std::uint16_t>(port));
    EXPECT_EQ(compare(seen, {}).findings.size(), count) << port;
  }
}

TEST(Look, without_a_proc_it_could_not_tell_and_says_so) {
  Look look("/nonexistent");
  EXPECT_THAT(look.take({}, 0, kStart), ElementsAre(finding("gateway.audit.incomplete", "own sockets")));
}

TEST(Tree, the_name_of_a_process_decides_nothing) {
  EXPECT_EQ(parent_in("7 (a) b) R 3 7 7 0 -1"), 3);
  EXPECT_EQ(parent_in("7 (x"), 0);
  EXPECT_EQ(uid_in("Name:\tUid: 5\nUid:\t1\t2\t3\t4\nGid:\t0\t0\t0\t0\n"), 2U);
  EXPECT_EQ(uid_in("Uid:\t1\n"), static_cast<uid_t>(-1));
}

TEST(Findings, every_id_is_named_once_and_has_a_remedy) {
  std::set<std::string_view> ids;
  for (const KindFacts& facts : kinds()) {
    EXPECT_TRUE(ids.insert(facts.id).second) << facts.id;
    EXPECT_FALSE(facts.remedy.empty());
    EXPECT_EQ(make_finding(facts.kind, "s", "t").id, facts.id);
  }
}

}  // namespace
}  // namespace clawql::exposure::own
