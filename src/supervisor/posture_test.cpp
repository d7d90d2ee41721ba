#include "supervisor/posture.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>

#include "os/sock_diag.hpp"
#include "supervisor/listeners.hpp"

namespace clawql::supervisor {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

config::Config example() {
  config::Config config;
  config.unix_listener.path = "/run/x/gateway.sock";
  config.http = {{"loopback", 8080}};
  return config;
}

TEST(Posture, EverySpellingOfEverywhereIsRefused) {
  for (const char* bind : {"", "*", "0", "0.0.0.0", "::", "[::]", "::ffff:0.0.0.0", "address:0.0.0.0",
                           "address:::", "0:0:0:0:0:0:0:0", "any"}) {
    const auto status = check_bind_word(bind);
    ASSERT_FALSE(status) << bind;
    EXPECT_THAT(status.error().message, HasSubstr("every interface")) << bind;
  }
}

TEST(Posture, OtherFormsAreNotYetPossible) {
  for (const char* bind : {"tailscale", "interface:eth0", "address:192.168.1.5", "localhost", "127.0.0.1"}) {
    const auto status = check_bind_word(bind);
    ASSERT_FALSE(status) << bind;
    EXPECT_THAT(status.error().message, HasSubstr("not yet")) << bind;
  }
  EXPECT_TRUE(check_bind_word("loopback"));
}

TEST(Posture, TheAddressItselfIsCheckedAgain) {
  for (const char* address : {"0.0.0.0", "::", "::ffff:0.0.0.0", "192.168.1.5", "::ffff:127.0.0.1"}) {
    EXPECT_FALSE(check_tcp_address(*os::SocketAddress::ip(address, 1))) << address;
  }
  EXPECT_TRUE(check_tcp_address(*os::SocketAddress::ip("127.0.0.1", 1)));
  EXPECT_TRUE(check_tcp_address(*os::SocketAddress::ip("::1", 1)));
}

TEST(Posture, LoopbackMeansBothAddressesWhereTheHostHasThem) {
  std::vector<std::string> warnings;
  const auto both = declare(example(), "/run/y", true, warnings);
  ASSERT_TRUE(both) << both.error().message;
  std::vector<std::string> labels;
  for (const Declared& one : *both) labels.push_back(one.label);
  EXPECT_THAT(labels,
              ElementsAre("unix:/run/x/gateway.sock", "unix:/run/x/admin/admin.sock", "127.0.0.1:8080", "[::1]:8080"));
  EXPECT_TRUE(warnings.empty());
  ASSERT_TRUE(declare(example(), "/run/y", false, warnings));
  EXPECT_THAT(warnings, ElementsAre(HasSubstr("no ::1")));
}

TEST(Posture, WithoutAUnixSocketTheAdminSocketIsInTheRuntimeFolder) {
  config::Config config = example();
  config.unix_listener.enabled = false;
  std::vector<std::string> warnings;
  const auto declared = declare(config, "/run/y", true, warnings);
  ASSERT_TRUE(declared);
  EXPECT_EQ((*declared)[0].label, "unix:/run/y/admin/admin.sock");
  EXPECT_EQ((*declared)[0].mode, 0600U);
  EXPECT_EQ((*declared)[0].folder, 0700U);
}

TEST(Posture, PortZeroNothingAtAllAndTheSameTwiceAreRefused) {
  std::vector<std::string> warnings;
  config::Config config = example();
  config.http[0].port = 0;
  EXPECT_FALSE(declare(config, "/run/y", true, warnings));
  config = example();
  config.http.push_back(config.http[0]);
  EXPECT_THAT(declare(config, "/run/y", true, warnings).error().message, HasSubstr("declared twice"));
  config = example();
  config.http.clear();
  config.unix_listener.enabled = false;
  config.admin.enabled = false;
  EXPECT_FALSE(declare(config, "/run/y", true, warnings));
}

Declared tcp(const os::SocketAddress& address) {
  Declared declared;
  declared.address = address;
  declared.label = address.text();
  return declared;
}

TEST(Posture, WhatTheKernelListsMustBeTheDeclaration) {
  const auto socket = os::bind_tcp(*os::SocketAddress::ip("127.0.0.1", 0));
  ASSERT_TRUE(os::start_listening(*socket));
  const Declared declared = tcp(*os::SocketAddress::of(socket->get()));
  const std::vector<Listening> listening{{&declared, socket->get()}};
  std::vector<std::string> warnings;
  EXPECT_TRUE(verify_with_kernel(listening, warnings));
  EXPECT_TRUE(warnings.empty());

  const auto undeclared = os::bind_tcp(*os::SocketAddress::ip("127.0.0.1", 0));
  ASSERT_TRUE(os::start_listening(*undeclared));
  const auto more = verify_with_kernel(listening, warnings);
  ASSERT_FALSE(more);
  EXPECT_THAT(more.error().message, HasSubstr("which nobody declared"));
}

TEST(Posture, AListenWithoutBindIsFoundAsAnAnyAddress) {
  const os::Fd socket(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_TRUE(os::start_listening(socket));
  std::vector<std::string> warnings;
  const auto status = verify_with_kernel({}, warnings);
  ASSERT_FALSE(status);
  EXPECT_THAT(status.error().message, HasSubstr("gateway.bind.wildcard"));
}

TEST(Posture, ASocketThatDoesNotListenOrIsElsewhereIsFound) {
  const auto socket = os::bind_tcp(*os::SocketAddress::ip("127.0.0.1", 0));
  const Declared declared = tcp(*os::SocketAddress::of(socket->get()));
  std::vector<Listening> listening{{&declared, socket->get()}};
  std::vector<std::string> warnings;
  EXPECT_THAT(verify_with_kernel(listening, warnings).error().message, HasSubstr("does not list"));
  const Declared elsewhere = tcp(*os::SocketAddress::ip("127.0.0.1", 1));
  listening[0].declared = &elsewhere;
  EXPECT_THAT(verify_with_kernel(listening, warnings).error().message, HasSubstr("the kernel says"));
}

TEST(Posture, APortInUseIsRefusedNamingItsOwner) {
  const auto socket = os::bind_tcp(*os::SocketAddress::ip("127.0.0.1", 0));
  ASSERT_TRUE(os::start_listening(*socket));
  Listeners listeners(std::nullopt);
  const auto change = listeners.apply({tcp(*os::SocketAddress::of(socket->get()))});
  ASSERT_FALSE(change);
  EXPECT_EQ(change.error().system_errno, EADDRINUSE);
  EXPECT_THAT(change.error().message, HasSubstr("in use by process " + std::to_string(::getpid())));
}

}  // namespace
}  // namespace clawql::supervisor
