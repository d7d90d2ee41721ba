#include "os/socket_dump.hpp"

#include <gtest/gtest.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cstring>

namespace clawql::os {
namespace {

const DumpedSocket* by_inode(const std::vector<DumpedSocket>& sockets, int fd) {
  const auto found = std::ranges::find(sockets, socket_inode(fd), &DumpedSocket::inode);
  return found == sockets.end() ? nullptr : &*found;
}

TEST(SocketDump, TellsV6onlyAndTheDeviceOfAListener) {
  const Fd socket(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int on = 1;
  ASSERT_EQ(::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on), 0);
  ASSERT_EQ(::setsockopt(socket.get(), SOL_SOCKET, SO_BINDTODEVICE, "lo", 2), 0);
  ASSERT_TRUE(start_listening(socket));  // no bind: the kernel chooses [::] and a port
  const auto sockets = dump_sockets();
  ASSERT_TRUE(sockets.has_value()) << sockets.error().message;
  const DumpedSocket* found = by_inode(*sockets, socket.get());
  ASSERT_NE(found, nullptr);
  EXPECT_TRUE(found->v6only);
  EXPECT_NE(found->interface, 0U);
  EXPECT_TRUE(found->local.is_any());
  EXPECT_NE(found->cookie, 0U);
}

TEST(SocketDump, ShowsAnMptcpListenerOnceAndAsWhatItIs) {
  const Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 262));
  ASSERT_TRUE(static_cast<bool>(socket)) << "this kernel has no MPTCP";
  ASSERT_TRUE(start_listening(socket));
  const auto sockets = dump_sockets();
  ASSERT_TRUE(sockets.has_value());
  EXPECT_EQ(std::ranges::count(*sockets, socket_inode(socket.get()), &DumpedSocket::inode), 1);
  EXPECT_EQ(by_inode(*sockets, socket.get())->protocol, DumpedSocket::Protocol::mptcp);
}

TEST(SocketDump, KeepsEveryByteOfAnAbstractName) {
  const Fd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ASSERT_GE(socket.get(), 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string name("\0clawql\0test\n", 13);
  std::memcpy(address.sun_path, name.data(), name.size());
  ASSERT_EQ(::bind(socket.get(), reinterpret_cast<sockaddr*>(&address),
                   static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size())),
            0);
  const auto sockets = dump_sockets();
  ASSERT_TRUE(sockets.has_value());
  const DumpedSocket* found = by_inode(*sockets, socket.get());
  ASSERT_NE(found, nullptr);
  EXPECT_TRUE(found->abstract_name);
  EXPECT_EQ(found->name, name.substr(1));
}

// One answer with one listener, as the kernel sends it.
std::vector<std::uint64_t> answer(std::size_t& size) {
  struct {
    nlmsghdr header;
    inet_diag_msg message;
  } bytes{};
  static_assert(sizeof bytes % 4 == 0);
  bytes.header.nlmsg_len = sizeof bytes;
  bytes.header.nlmsg_type = 20;
  bytes.header.nlmsg_flags = NLM_F_MULTI;
  bytes.message.idiag_family = AF_INET;
  bytes.message.idiag_state = 10;
  bytes.message.id.idiag_sport = htons(80);
  size = sizeof bytes;
  std::vector<std::uint64_t> room(sizeof bytes / 8 + 1);
  std::memcpy(room.data(), &bytes, sizeof bytes);
  return room;
}

TEST(SocketDump, AnswerCutAnywhereYieldsNothing) {
  std::size_t size = 0;
  const auto room = answer(size);
  for (std::size_t length = 0; length <= size; ++length) {
    std::vector<DumpedSocket> found;
    const auto complete = parse_socket_dump({reinterpret_cast<const char*>(room.data()), length},
                                            DumpedSocket::Protocol::tcp, 0, 0, found);
    EXPECT_EQ(complete.has_value(), length == 0 || length == size);
    EXPECT_EQ(found.size(), length == size ? 1U : 0U) << length;
  }
}

TEST(SocketDump, LengthThatLeadsOutOfTheAnswerIsAnError) {
  for (const std::uint32_t length : {0U, 15U, 1000U, 0x7fffffffU, 0x80000010U, 0xffffffffU}) {
    std::size_t size = 0;
    auto room = answer(size);
    std::memcpy(room.data(), &length, sizeof length);
    std::vector<DumpedSocket> found;
    EXPECT_FALSE(parse_socket_dump({reinterpret_cast<const char*>(room.data()), size}, DumpedSocket::Protocol::tcp, 0,
                                   0, found));
    EXPECT_TRUE(found.empty());
  }
}

TEST(SocketDump, RefusalIsAnError) {
  struct {
    nlmsghdr header;
    nlmsgerr error;
  } bytes{};
  bytes.header.nlmsg_len = sizeof bytes;
  bytes.header.nlmsg_type = NLMSG_ERROR;
  bytes.error.error = -EPERM;
  std::vector<std::uint64_t> room(sizeof bytes / 8 + 1);
  std::memcpy(room.data(), &bytes, sizeof bytes);
  std::vector<DumpedSocket> found;
  const auto refused = parse_socket_dump({reinterpret_cast<const char*>(room.data()), sizeof bytes},
                                         DumpedSocket::Protocol::tcp, 0, 0, found);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().system_errno, EPERM);
}

}  // namespace
}  // namespace clawql::os
