#include "exposure/ports/compare.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace clawql::exposure::ports {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

Listener listener(const std::string& address, std::uint16_t port, Protocol protocol = Protocol::tcp) {
  Listener one;
  one.place.protocol = protocol;
  one.place.address = address;
  one.place.port = port;
  one.inode = 7;
  Owner owner;
  owner.pid = 42;
  owner.name = "web";
  owner.executable = "/usr/bin/web";
  one.owners.push_back(owner);
  return one;
}

Survey machine(std::vector<Listener> listeners) {
  Survey survey;
  survey.spaces = {""};
  survey.listeners = std::move(listeners);
  return survey;
}

ExpectedState declared(const std::string& entries) {
  auto state = parse_expected("version: 1\nlisteners:\n" + entries, "p.yaml");
  EXPECT_TRUE(state.has_value()) << (state ? "" : state.error().message);
  return state.value_or(ExpectedState{});
}

std::vector<std::string> ids(const std::string& entries, std::vector<Listener> listeners) {
  std::vector<std::string> result;
  for (const Finding& finding : compare(declared(entries), machine(std::move(listeners))))
    result.emplace_back(kind_of(finding.id).name);
  return result;
}

constexpr const char* kLoopback =
    "  - {protocol: tcp, address: 127.0.0.1, port: 80, user: root, executable: /usr/bin/web}\n";

TEST(Compare, IsSilentWhenWhatIsSeenIsWhatWasDeclared) {
  EXPECT_THAT(ids(kLoopback, {listener("127.0.0.1", 80)}), IsEmpty());
}

TEST(Compare, CallsEveryAnyAddressInPlaceOfADeclaredOneWidened) {
  for (const bool v6only : {false, true}) {
    Listener six = listener("::", 80);
    six.place.v6only = v6only;
    EXPECT_THAT(ids(kLoopback, {six}), ElementsAre("ports.widened"));
  }
  EXPECT_THAT(ids(kLoopback, {listener("0.0.0.0", 80)}), ElementsAre("ports.widened"));
}

TEST(Compare, CallsASecondSocketBesideTheDeclaredOneUnexpected) {
  Listener six = listener("::", 80);
  six.place.v6only = true;
  EXPECT_THAT(ids(kLoopback, {listener("127.0.0.1", 80), six}), ElementsAre("ports.unexpected"));
}

TEST(Compare, NamesBothListenersThatTookThePlaceOfOne) {
  const auto found = compare(declared(kLoopback), machine({listener("0.0.0.0", 80), listener("127.0.0.1", 81)}));
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0].id, FindingId::widened);
  EXPECT_EQ(found[1].id, FindingId::unexpected);
}

TEST(Compare, DoesNotTakeAnotherProgramOnANarrowerAddressForTheDeclaredOne) {
  constexpr const char* any = "  - {protocol: tcp, address: 0.0.0.0, port: 80, executable: /usr/bin/web}\n";
  EXPECT_THAT(ids(any, {listener("127.0.0.1", 80)}), ElementsAre("ports.missing"));
  Listener other = listener("127.0.0.1", 80);
  other.owners[0].executable = "/tmp/evil";
  EXPECT_THAT(ids(any, {other}), ElementsAre("ports.unexpected", "ports.missing"));
}

TEST(Compare, WantsEveryOwnerToBeDeclared) {
  Listener shared = listener("127.0.0.1", 80);
  shared.owners.push_back(shared.owners[0]);
  shared.owners[1].executable = "/tmp/evil";
  EXPECT_THAT(ids(kLoopback, {shared}), ElementsAre("ports.owner-changed"));
}

TEST(Compare, CannotTellWhereNoOwnerIsSeen) {
  Listener hidden = listener("127.0.0.1", 80);
  hidden.owners.clear();
  const auto found = compare(declared(kLoopback), machine({hidden}));
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].id, FindingId::owner_unknown);
  EXPECT_EQ(exit_status(found), 2);
}

TEST(Compare, PutsWhatCouldNotBeToldAboveDrift) {
  Survey survey = machine({listener("0.0.0.0", 9)});
  survey.gaps.push_back({FindingId::namespace_hidden, "[x]", "x", 1});
  const auto found = compare(declared(kLoopback), survey);
  ASSERT_EQ(found.size(), 3U);
  EXPECT_EQ(found[0].id, FindingId::namespace_hidden);
  EXPECT_EQ(exit_status(found), 2);
  EXPECT_EQ(exit_status(std::span(found).subspan(1)), 1);
}

TEST(Compare, TakesAnyPortOfADeclaredProgramAlone) {
  constexpr const char* any = "  - {protocol: udp, address: 0.0.0.0, port: any, executable: /usr/bin/web}\n";
  EXPECT_THAT(ids(any, {listener("0.0.0.0", 41641, Protocol::udp)}), IsEmpty());
  Listener other = listener("0.0.0.0", 41641, Protocol::udp);
  other.owners[0].executable = "/tmp/evil";
  EXPECT_THAT(ids(any, {other}), ElementsAre("ports.unexpected", "ports.missing"));
  EXPECT_THAT(ids(any, {listener("::", 41641, Protocol::udp)}), ElementsAre("ports.unexpected", "ports.missing"));
}

TEST(Compare, LeavesAcceptedWaysOutAndSaysWhenTheyAreGone) {
  auto state = declared(kLoopback);
  state.accepted.push_back({FindingId::dnat, "nft ip nat*", "meant", 9});
  Survey survey = machine({listener("127.0.0.1", 80)});
  survey.ways.push_back({FindingId::dnat, "nft ip nat c: -> 10.0.0.1", "", 1});
  EXPECT_THAT(compare(state, survey), IsEmpty());
  survey.ways[0].id = FindingId::redirect;
  const auto found = compare(state, survey);
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0].id, FindingId::redirect);
  EXPECT_EQ(found[1].id, FindingId::acceptance_unused);
  EXPECT_EQ(found[1].line, 9U);
}

TEST(Compare, KnowsTheSshdThatListensFromASessionThatForwards) {
  Listener daemon = listener("127.0.0.1", 22);
  daemon.owners[0].executable = "/usr/sbin/sshd";
  daemon.owners[0].command = "sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups";
  EXPECT_THAT(ids("", {daemon}), ElementsAre("ports.unexpected"));
  for (const char* title :
       {"sshd: alice@pts/0", "sshd: root@notty", "sshd: alice [priv]", "sshd-session: alice@notty"}) {
    daemon.owners[0].command = title;
    EXPECT_THAT(ids("", {daemon}), ElementsAre("ports.ssh-forward")) << title;
  }
}

TEST(Findings, HaveUniqueNamesWithARemedyEach) {
  std::vector<std::string_view> names;
  for (const FindingKind& kind : finding_kinds()) {
    EXPECT_TRUE(kind.name.starts_with("ports."));
    EXPECT_FALSE(kind.remedy.empty());
    EXPECT_EQ(std::ranges::count(names, kind.name), 0);
    EXPECT_EQ(kind_named(kind.name), &kind_of(kind.id));
    names.push_back(kind.name);
  }
}

}  // namespace
}  // namespace clawql::exposure::ports
