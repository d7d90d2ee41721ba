#include "os/socket.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "os/files.hpp"
#include "os/sock_diag.hpp"

namespace clawql::os {
namespace {

class SocketTest : public testing::Test {
 protected:
  SocketTest() {
    char name[] = "/tmp/clawql-os-XXXXXX";
    folder_ = ::mkdtemp(name);
  }
  ~SocketTest() override { std::filesystem::remove_all(folder_); }
  std::string folder_;
};

TEST_F(SocketTest, EverySpellingOfAnAnyAddressIsSeen) {
  for (const char* text : {"0.0.0.0", "::", "::ffff:0.0.0.0", "0:0:0:0:0:0:0:0", "::0"}) {
    const auto address = SocketAddress::ip(text, 1);
    ASSERT_TRUE(address) << text;
    EXPECT_TRUE(address->is_any()) << text;
    EXPECT_FALSE(address->is_loopback()) << text;
  }
  for (const char* text : {"127.0.0.1", "::1", "127.1.2.3"}) {
    const auto address = SocketAddress::ip(text, 1);
    ASSERT_TRUE(address) << text;
    EXPECT_FALSE(address->is_any()) << text;
    EXPECT_TRUE(address->is_loopback()) << text;
  }
  EXPECT_FALSE(SocketAddress::ip("::ffff:127.0.0.1", 1)->is_loopback());
  EXPECT_TRUE(SocketAddress{}.is_any());
}

TEST_F(SocketTest, NamesAndOddNumbersAreNoAddresses) {
  for (const char* text : {"localhost", "", "*", "0", "127.1", "0x7f.0.0.1", "127.0.0.1 ", "[::1]"}) {
    EXPECT_FALSE(SocketAddress::ip(text, 1)) << text;
  }
}

TEST_F(SocketTest, ASocketPathMustBeAbsoluteAndFit) {
  EXPECT_FALSE(SocketAddress::unix_path("gateway.sock"));
  EXPECT_FALSE(SocketAddress::unix_path(""));
  EXPECT_TRUE(SocketAddress::unix_path("/" + std::string(106, 'x')));
  EXPECT_FALSE(SocketAddress::unix_path("/" + std::string(107, 'x')));
}

TEST_F(SocketTest, TheKernelListsAListenerOfOurs) {
  const auto address = SocketAddress::ip("127.0.0.1", 0);
  const auto socket = bind_tcp(*address);
  ASSERT_TRUE(socket);
  ASSERT_TRUE(start_listening(*socket));
  const auto bound = SocketAddress::of(socket->get());
  ASSERT_TRUE(bound);
  const auto sockets = kernel_sockets();
  ASSERT_TRUE(sockets) << sockets.error().message;
  const auto inodes = own_socket_inodes();
  ASSERT_TRUE(inodes);
  const auto found = std::ranges::find(*sockets, socket_inode(socket->get()), &KernelSocket::inode);
  ASSERT_NE(found, sockets->end());
  EXPECT_EQ(found->address, *bound);
  EXPECT_TRUE(inodes->contains(found->inode));
  const auto owner = tcp_owner(*bound);
  ASSERT_TRUE(owner);
  EXPECT_EQ(owner->pid, ::getpid());
}

TEST_F(SocketTest, AnUnboundListenIsSeenOnAnAnyAddress) {
  const Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_TRUE(start_listening(socket));
  const auto sockets = kernel_sockets();
  ASSERT_TRUE(sockets);
  const auto found = std::ranges::find(*sockets, socket_inode(socket.get()), &KernelSocket::inode);
  ASSERT_NE(found, sockets->end());
  EXPECT_TRUE(found->address.is_any());
}

TEST_F(SocketTest, TheKernelListsAUnixListenerByItsPath) {
  const auto address = SocketAddress::unix_path(folder_ + "/x.sock");
  const auto socket = bind_unix(*address);
  ASSERT_TRUE(socket);
  struct stat facts{};
  ASSERT_EQ(::stat((folder_ + "/x.sock").c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777U, 0600U);
  ASSERT_TRUE(start_listening(*socket));
  const auto sockets = kernel_sockets();
  ASSERT_TRUE(sockets);
  const auto found = std::ranges::find(*sockets, socket_inode(socket->get()), &KernelSocket::inode);
  ASSERT_NE(found, sockets->end());
  EXPECT_EQ(found->path, folder_ + "/x.sock");
}

TEST_F(SocketTest, AUnixListenerIsNamedWhileItLivesAndStaleAfterwards) {
  const auto address = SocketAddress::unix_path(folder_ + "/x.sock");
  auto socket = bind_unix(*address);
  ASSERT_TRUE(socket);
  ASSERT_TRUE(start_listening(*socket));
  const auto living = listener_of(*address);
  ASSERT_TRUE(living);
  ASSERT_TRUE(*living);
  EXPECT_EQ((*living)->pid, ::getpid());
  socket->reset();
  const auto stale = listener_of(*address);
  ASSERT_TRUE(stale);
  EXPECT_FALSE(*stale);
}

TEST_F(SocketTest, AFullQueueStillCountsAsAlive) {
  const auto address = SocketAddress::unix_path(folder_ + "/x.sock");
  const auto socket = bind_unix(*address);
  ASSERT_TRUE(start_listening(*socket, 0));
  std::vector<Fd> waiting;
  for (int i = 0; i < 4; ++i) {
    waiting.emplace_back(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    [[maybe_unused]] const int ignored = ::connect(waiting.back().get(), address->raw(), address->size());
  }
  const auto living = listener_of(*address);
  ASSERT_TRUE(living);
  EXPECT_TRUE(*living);
}

TEST_F(SocketTest, ALockHasOneHolderAndNamesIt) {
  auto first = lock_file(folder_ + "/lock");
  ASSERT_TRUE(first);
  ASSERT_TRUE(std::holds_alternative<FileLock>(*first));
  EXPECT_FALSE(std::get<FileLock>(*first).left_by_dead);
  const auto second = lock_file(folder_ + "/lock");
  ASSERT_TRUE(second);
  ASSERT_TRUE(std::holds_alternative<LockHeld>(*second));
  EXPECT_EQ(std::get<LockHeld>(*second).holder, ::getpid());
  std::get<FileLock>(*first).file.reset();  // as when it was killed
  auto third = lock_file(folder_ + "/lock");
  ASSERT_TRUE(std::holds_alternative<FileLock>(*third));
  EXPECT_TRUE(std::get<FileLock>(*third).left_by_dead);
  release(std::get<FileLock>(*third));
  const auto fourth = lock_file(folder_ + "/lock");
  EXPECT_FALSE(std::get<FileLock>(*fourth).left_by_dead);
}

TEST_F(SocketTest, ALockFileThatIsASymlinkIsRefused) {
  ASSERT_EQ(::symlink("/tmp/elsewhere", (folder_ + "/lock").c_str()), 0);
  EXPECT_FALSE(lock_file(folder_ + "/lock"));
}

TEST_F(SocketTest, MissingFoldersGetTheModeWhateverTheUmask) {
  const mode_t before = ::umask(0077);
  const auto created = make_folders(folder_ + "/a/b", 0750);
  ::umask(before);
  ASSERT_TRUE(created) << created.error().message;
  EXPECT_EQ(*created, (std::vector<std::string>{folder_ + "/a", folder_ + "/a/b"}));
  struct stat facts{};
  ASSERT_EQ(::stat((folder_ + "/a").c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777U, 0750U);
  EXPECT_TRUE(make_folders(folder_ + "/a/b", 0750)->empty());
}

}  // namespace
}  // namespace clawql::os
