#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "exposure/ports/diversions.hpp"
#include "exposure/ports/processes.hpp"
#include "exposure/ports/spaces.hpp"
#include "exposure/ports/text.hpp"
#include "exposure/ports/trace.hpp"

namespace clawql::exposure::ports {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;

TEST(TraceLine, IsReadWhateverTheProcessCallsItself) {
  constexpr std::string_view fields =
      "  (   4711) [001] .....  1234.567890: inet_sock_set_state: family=AF_INET protocol=IPPROTO_TCP sport=8080 "
      "dport=0 "
      "saddr=127.0.0.1 daddr=0.0.0.0 saddrv6=::ffff:127.0.0.1 daddrv6=::ffff:0.0.0.0 oldstate=TCP_CLOSE "
      "newstate=TCP_LISTEN";
  for (const std::string name : {"nc", "a b", "x-12 [000] (3)", ": inet_sock"}) {
    const auto event = parse_trace_line("   " + name + "-4712  " + std::string(fields));
    ASSERT_TRUE(event.has_value()) << name;
    EXPECT_EQ(event->name, name);
    EXPECT_EQ(event->pid, 4711);
    EXPECT_EQ(event->place.text(), "tcp 127.0.0.1:8080");
    EXPECT_FALSE(event->closed);
  }
}

TEST(TraceLine, TakesTheThreadWhereTheProcessIsNotKnownAndUnmapsIPv4) {
  const auto event = parse_trace_line(
      "  nc-12   (-------) [000] d.h1. 1.2: inet_sock_set_state: family=AF_INET6 protocol=IPPROTO_MPTCP sport=9 "
      "dport=0 "
      "saddr=0.0.0.0 daddr=0.0.0.0 saddrv6=::ffff:0.0.0.0 daddrv6=:: oldstate=TCP_LISTEN newstate=TCP_CLOSE");
  ASSERT_TRUE(event.has_value());
  EXPECT_EQ(event->pid, 12);
  EXPECT_EQ(event->place.text(), "mptcp 0.0.0.0:9");
  EXPECT_TRUE(event->closed);
}

TEST(TraceLine, OfAnotherKindIsNone) {
  for (const char* line : {"", "CPU:0 [LOST 12 EVENTS]", "x-1 [000] ..... 1.2: inet_sock_set_state: family=",
                           "x [000] : inet_sock_set_state: family=AF_INET protocol=IPPROTO_TCP sport=1"})
    EXPECT_FALSE(parse_trace_line(line).has_value()) << line;
}

TEST(NftRules, AreReadForWhatTheyDivert) {
  const auto found = diversions_of_nft(
      R"({"nftables":[{"metainfo":{}},{"rule":{"family":"ip","table":"nat","chain":"pre","handle":4,"expr":[
        {"match":{"op":"!=","left":{"meta":{"key":"iifname"}},"right":"lo"}},
        {"match":{"op":"==","left":{"payload":{"protocol":"tcp","field":"dport"}},"right":{"set":[80,443]}}},
        {"dnat":{"addr":"10.0.0.2","port":8080}}]}},
        {"rule":{"family":"ip","table":"filter","chain":"in","handle":5,"expr":[{"accept":null}]}},
        {"rule":{"family":"ip","table":"nat","chain":"x","handle":6,"expr":[{"xt":null}]}}]})");
  ASSERT_TRUE(found.has_value());
  ASSERT_EQ(found->findings.size(), 1U);
  EXPECT_EQ(found->findings[0].subject, R"(nft ip nat pre: iifname != lo tcp dport {"set":[80,443]} -> 10.0.0.2:8080)");
  EXPECT_TRUE(found->foreign);
}

TEST(NftRules, OfAnUnknownShapeAreShownAllTheSame) {
  const auto found = diversions_of_nft(R"({"nftables":[{"rule":{"expr":[{"match":{}},{"dnat":{}}]}}]})");
  ASSERT_TRUE(found.has_value());
  ASSERT_EQ(found->findings.size(), 1U);
  EXPECT_EQ(found->findings[0].subject, "nft ? ? ?: ? ? -> the same port here");
}

TEST(NftRules, CutAnywhereAreAnErrorNeverNone) {
  const std::string text =
      R"({"nftables":[{"rule":{"family":"ip","table":"n","chain":"c","handle":1,"expr":[{"redirect":null}]}}]})";
  ASSERT_TRUE(diversions_of_nft(text).has_value());
  for (std::size_t length = 0; length < text.size(); ++length)
    EXPECT_FALSE(diversions_of_nft(text.substr(0, length)).has_value()) << length;
  EXPECT_FALSE(diversions_of_nft("{}").has_value());
}

TEST(SavedRules, AreReadWithQuotesCommentsAndCounters) {
  const auto found = diversions_of_iptables(
      "# by iptables\n*nat\n:PREROUTING ACCEPT [0:0]\n[3:180] -A PREROUTING -p tcp -m comment --comment \"-j DNAT \\\" "
      "x\" -j RETURN\n"
      "-A PREROUTING -i eth0 -p tcp -m tcp --dport 80 -m comment --comment \"my rule\" -j REDIRECT --to-ports 8080\n"
      "-A DOCKER -d 127.0.0.1/32 ! -i docker0 -p tcp -m tcp --dport 5432 -j DNAT --to-destination "
      "172.17.0.3:5432\nCOMMIT\n",
      "iptables");
  ASSERT_TRUE(found.has_value()) << found.error().message;
  ASSERT_EQ(found->findings.size(), 2U);
  EXPECT_EQ(found->findings[0].subject,
            "iptables nat PREROUTING: -i eth0 -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 8080");
  EXPECT_EQ(found->findings[1].id, FindingId::docker_published);
  EXPECT_EQ(found->findings[1].subject, "docker tcp 127.0.0.1:5432");
}

TEST(SavedRules, CutBeforeTheCommitAreAnError) {
  EXPECT_FALSE(diversions_of_iptables("*nat\n-A PREROUTING -j DNAT --to 1.2.3.4\n", "iptables").has_value());
  EXPECT_FALSE(diversions_of_iptables("-A PREROUTING -j DNAT\n", "iptables").has_value());
  EXPECT_FALSE(diversions_of_iptables("iptables-save: Permission denied\n", "iptables").has_value());
}

TEST(TailscaleServe, IsOneFindingAPortWithItsTargets) {
  const auto served = served_by_tailscale(
      R"({"TCP":{"443":{"HTTPS":true},"22":{"TCPForward":"127.0.0.1:22"}},"Web":{"h:443":{"Handlers":{"/":{"Proxy":"http://127.0.0.1:80"}}}},
        "AllowFunnel":{"h:443":true},"Foreground":{"abc":{"TCP":{"8443":{"HTTPS":true}}}}})");
  ASSERT_TRUE(served.has_value());
  std::vector<std::string> subjects;
  for (const Finding& finding : *served) subjects.push_back(finding.subject);
  EXPECT_THAT(subjects, ElementsAre("tailscale funnel tcp:443 -> /=http://127.0.0.1:80",
                                    "tailscale serve tcp:22 -> 127.0.0.1:22", "tailscale serve tcp:8443 ->"));
  EXPECT_THAT(*served_by_tailscale("{}"), IsEmpty());
  EXPECT_THAT(*served_by_tailscale("null"), IsEmpty());
  EXPECT_FALSE(served_by_tailscale("[]").has_value());
}

TEST(Proc, StartTimeIsFoundBehindAnyName) {
  EXPECT_EQ(start_time_of("7 (a) b) (c) S 1 7 7 0 -1 4 1 2 3 4 5 6 7 8 20 0 1 0 592279 1 2"), 592279U);
  EXPECT_EQ(start_time_of("7 (x"), 0U);
}

TEST(Proc, AContainerIsFoundInItsCgroup) {
  const std::string id(64, 'a');
  EXPECT_EQ(container_of("/system.slice/docker-" + id + ".scope"), "aaaaaaaaaaaa");
  EXPECT_EQ(container_of("/kubepods/besteffort/pod1/" + id), "aaaaaaaaaaaa");
  EXPECT_EQ(container_of("/system.slice/ssh.service"), "");
  EXPECT_EQ(cgroup_of("1:name=x:/docker/1\n0::/\n"), "/docker/1");
  EXPECT_EQ(cgroup_of("1:name=x:/docker/1\n0::/a\n"), "/a");
}

TEST(Proc, MountedNamespacesAreFoundByTheirMountPoints) {
  EXPECT_THAT(mounted_spaces("91 25 0:4 net:[4026532345] /run/netns/my\\040space rw shared:1 - nsfs nsfs rw\n"
                             "92 25 0:4 mnt:[4026532346] /run/x rw - nsfs nsfs rw\nshort\n"),
              ElementsAre(Pair(4026532345U, "/run/netns/my space")));
}

TEST(Proc, HidepidIsSeen) {
  EXPECT_TRUE(hides_processes("22 1 0:20 / /proc rw shared:1 - proc proc rw,hidepid=invisible\n", "/proc"));
  EXPECT_FALSE(hides_processes("22 1 0:20 / /proc rw shared:1 - proc proc rw,hidepid=off\n", "/proc"));
  EXPECT_FALSE(hides_processes("22 1 0:20 / /other rw shared:1 - proc proc rw,hidepid=2\n", "/proc"));
}

TEST(Space, ThatVanishedIsAnError) {
  SpaceSeen space;
  space.paths = {"/proc/4194305/ns/net"};
  bool entered = false;
  const Status gone = in_space(space, 1, [&] { entered = true; });
  ASSERT_FALSE(gone.has_value());
  EXPECT_THAT(gone.error().message, HasSubstr("vanished"));
  // A path that leads to another namespace now is not it either.
  space.paths = {"/proc/self/ns/net"};
  EXPECT_FALSE(in_space(space, 1, [&] { entered = true; }).has_value());
  EXPECT_FALSE(entered);
}

TEST(Text, EscapesWhatATerminalWouldObey) {
  EXPECT_EQ(printable_bytes(std::string_view("a\0\x1b\\\xff", 5)), "a\\x00\\x1b\\x5c\\xff");
}

}  // namespace
}  // namespace clawql::exposure::ports
