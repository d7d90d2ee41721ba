#include "supervisor/unix_listener.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>

#include "supervisor/listeners.hpp"

namespace clawql::supervisor {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class UnixListenerTest : public testing::Test {
 protected:
  UnixListenerTest() {
    char name[] = "/tmp/clawql-sv-XXXXXX";
    folder_ = ::mkdtemp(name);
    declared_ = declaration(folder_ + "/run/gateway.sock");
  }
  ~UnixListenerTest() override { std::filesystem::remove_all(folder_); }

  static Declared declaration(const std::string& path) {
    Declared declared;
    declared.kind = Declared::Kind::unix_socket;
    declared.path = path;
    declared.label = "unix:" + path;
    declared.mode = 0660;
    declared.group = std::to_string(::getgid());
    declared.address = *os::SocketAddress::unix_path(path);
    return declared;
  }
  Result<UnixListener> open() { return open_unix_listener(declared_, std::nullopt, base::Milliseconds{0}, warnings_); }
  static unsigned mode_of(const std::string& path) {
    struct stat facts{};
    return ::lstat(path.c_str(), &facts) < 0 ? 0 : facts.st_mode & 07777U;
  }

  std::string folder_;
  Declared declared_;
  std::vector<std::string> warnings_;
};

TEST_F(UnixListenerTest, ModesOfFolderAndSocketAreSetWhateverTheUmask) {
  const mode_t before = ::umask(0);
  const auto listener = open();
  ::umask(before);
  ASSERT_TRUE(listener) << listener.error().message;
  EXPECT_EQ(mode_of(folder_ + "/run"), 0750U);
  EXPECT_EQ(mode_of(declared_.path), 0660U);
  EXPECT_THAT(warnings_, IsEmpty());
}

TEST_F(UnixListenerTest, AMissingGroupMeansOwnerOnlyAndAWarningWithTheRemedy) {
  declared_.group = "no-such-group";
  ASSERT_TRUE(open());
  EXPECT_EQ(mode_of(declared_.path), 0600U);
  EXPECT_THAT(warnings_, ElementsAre(HasSubstr("groupadd -r no-such-group")));
}

TEST_F(UnixListenerTest, ALiveSocketOfAnotherGatewayIsNotStolen) {
  const auto first = open();
  ASSERT_TRUE(first);
  const auto second = open();
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().system_errno, EADDRINUSE);
  EXPECT_THAT(second.error().message, HasSubstr("is served by process " + std::to_string(::getpid())));
}

TEST_F(UnixListenerTest, ALiveSocketOfAProgramWithoutOurLockIsNotStolen) {
  ASSERT_TRUE(os::make_folders(folder_ + "/run", 0750));
  const auto other = os::bind_unix(declared_.address);
  ASSERT_TRUE(os::start_listening(*other));
  const auto ours = open();
  ASSERT_FALSE(ours);
  EXPECT_EQ(ours.error().system_errno, EADDRINUSE);
  EXPECT_THAT(ours.error().message, HasSubstr(std::to_string(::getpid())));
}

TEST_F(UnixListenerTest, AStaleSocketIsReplaced) {
  ASSERT_TRUE(os::make_folders(folder_ + "/run", 0750));
  {
    const auto dead = os::bind_unix(declared_.address);
  }
  ASSERT_TRUE(std::filesystem::exists(declared_.path));
  const auto listener = open();
  ASSERT_TRUE(listener) << listener.error().message;
  EXPECT_TRUE(*os::listener_of(declared_.address));
}

TEST_F(UnixListenerTest, ASymlinkAsLastComponentIsRefused) {
  ASSERT_TRUE(os::make_folders(folder_ + "/run", 0750));
  ASSERT_EQ(::symlink("/tmp/elsewhere.sock", declared_.path.c_str()), 0);
  const auto listener = open();
  ASSERT_FALSE(listener);
  EXPECT_THAT(listener.error().message, HasSubstr("symbolic link"));
  EXPECT_TRUE(std::filesystem::is_symlink(declared_.path));
}

TEST_F(UnixListenerTest, AFileInThePlaceOfTheSocketIsRefusedAndStays) {
  ASSERT_TRUE(os::make_folders(folder_ + "/run", 0750));
  std::ofstream(declared_.path) << "precious";
  const auto listener = open();
  ASSERT_FALSE(listener);
  EXPECT_THAT(listener.error().message, HasSubstr("is no socket"));
  EXPECT_EQ(std::filesystem::file_size(declared_.path), 8U);
}

TEST_F(UnixListenerTest, AFolderThatEverybodyMayWriteToIsRefused) {
  ASSERT_TRUE(os::make_folders(folder_ + "/run", 01777));
  const auto listener = open();
  ASSERT_FALSE(listener);
  EXPECT_THAT(listener.error().message, HasSubstr("chmod o-w"));
}

TEST_F(UnixListenerTest, AFolderThatTheGroupMayWriteToIsAWarning) {
  ASSERT_TRUE(os::make_folders(folder_ + "/run", 0770));
  ASSERT_TRUE(open());
  EXPECT_THAT(warnings_, ElementsAre(HasSubstr("chmod g-w")));
}

TEST_F(UnixListenerTest, TheAdminFolderIsClosedToEverybodyElse) {
  ASSERT_TRUE(os::make_folders(folder_ + "/run", 0755));
  declared_.kind = Declared::Kind::admin;
  declared_.mode = 0600;
  declared_.folder = 0700;
  declared_.group.clear();
  ASSERT_TRUE(open());
  EXPECT_EQ(mode_of(folder_ + "/run"), 0700U);
  EXPECT_EQ(mode_of(declared_.path), 0600U);
}

TEST_F(UnixListenerTest, AtTheEndOnlyTheOwnSocketIsRemoved) {
  auto first = open();
  ASSERT_TRUE(first);
  ASSERT_EQ(::unlink(declared_.path.c_str()), 0);
  const auto other = os::bind_unix(declared_.address);
  close_unix_listener(declared_.path, *first);
  EXPECT_TRUE(std::filesystem::exists(declared_.path));
  ASSERT_EQ(::unlink(declared_.path.c_str()), 0);
  auto second = open();
  ASSERT_TRUE(second);
  close_unix_listener(declared_.path, *second);
  EXPECT_FALSE(std::filesystem::exists(declared_.path));
}

// ---- Listeners: all of them together

TEST_F(UnixListenerTest, AChangeOpensTheNewAndClosesTheOld) {
  Listeners listeners(std::nullopt);
  const Declared one = declared_;
  const Declared two = declaration(folder_ + "/other/gateway.sock");
  ASSERT_TRUE(listeners.apply({one}));
  const std::uint16_t id = listeners.open()[0].id;
  const auto change = listeners.apply({one, two});
  ASSERT_TRUE(change) << change.error().message;
  EXPECT_THAT(change->removed, IsEmpty());
  EXPECT_EQ(listeners.open()[0].id, id);
  const auto back = listeners.apply({two});
  ASSERT_TRUE(back);
  EXPECT_THAT(back->removed, ElementsAre(id));
  EXPECT_FALSE(std::filesystem::exists(one.path));
}

TEST_F(UnixListenerTest, AChangeThatFailsLeavesEverythingAsItWas) {
  Listeners listeners(std::nullopt);
  ASSERT_TRUE(listeners.apply({declared_}));
  const Declared good = declaration(folder_ + "/a/gateway.sock");
  const Declared bad = declaration(folder_ + "/b/gateway.sock");
  ASSERT_TRUE(os::make_folders(folder_ + "/b", 0777));
  EXPECT_FALSE(listeners.apply({good, bad}));
  ASSERT_EQ(listeners.open().size(), 1U);
  EXPECT_TRUE(*os::listener_of(declared_.address));
  EXPECT_FALSE(std::filesystem::exists(good.path));
}

TEST_F(UnixListenerTest, AnAdminSocketHeldByAnotherGatewayIsAWarning) {
  Declared admin = declaration(folder_ + "/admin/admin.sock");
  admin.kind = Declared::Kind::admin;
  admin.folder = 0700;
  ASSERT_TRUE(os::make_folders(folder_ + "/admin", 0700));
  const auto held = os::lock_file(admin.path + ".lock");
  ASSERT_TRUE(held);
  Listeners listeners(std::nullopt);
  const auto change = listeners.apply({declared_, admin});
  ASSERT_TRUE(change) << change.error().message;
  EXPECT_THAT(change->warnings, ElementsAre(HasSubstr("no admin socket for this gateway")));
  EXPECT_EQ(listeners.open().size(), 1U);
}

TEST_F(UnixListenerTest, ModeAndGroupChangeInPlace) {
  Listeners listeners(std::nullopt);
  ASSERT_TRUE(listeners.apply({declared_}));
  declared_.mode = 0600;
  const auto change = listeners.apply({declared_});
  ASSERT_TRUE(change);
  EXPECT_THAT(change->added, IsEmpty());
  EXPECT_THAT(change->removed, IsEmpty());
  EXPECT_EQ(mode_of(declared_.path), 0600U);
}

}  // namespace
}  // namespace clawql::supervisor
