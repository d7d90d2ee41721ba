#include "exposure/firewall/verify.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "exposure/firewall/describe.hpp"
#include "exposure/firewall/expected.hpp"
#include "exposure/firewall/offline.hpp"

namespace clawql::exposure::firewall {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::vector<Listener> listeners(const std::string& entry) {
  auto read = read_expected("listeners: [" + entry + "]\n", "expected.yaml");
  EXPECT_TRUE(read) << read.error().message;
  return read ? read->listeners : std::vector<Listener>{};
}

RuleTexts iptables(const std::string& rules, const std::string& more = {}) {
  RuleTexts out;
  out.saves.push_back(
      {"*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:DOCKER-USER - [0:0]\n" + rules + "COMMIT\n" + more,
       "iptables", Family::ipv4});
  return out;
}

RuleTexts nft(const std::string& rules, const std::string& sets = {}) {
  RuleTexts out;
  out.nft =
      R"({"nftables":[{"metainfo":{"json_schema_version":1}},{"table":{"family":"inet","name":"t"}},)" + sets +
      R"({"chain":{"family":"inet","table":"t","name":"i","type":"filter","hook":"input","prio":0,"policy":"drop"}})" +
      rules + "]}";
  return out;
}
std::string rule(const std::string& expressions) {
  return R"(,{"rule":{"family":"inet","table":"t","chain":"i","expr":[)" + expressions + "]}}";
}

std::vector<std::string> lines(const std::vector<Listener>& all, const RuleTexts& texts) {
  const auto proof = verify(all, texts, Topology{});
  EXPECT_TRUE(proof) << proof.error().message;
  return proof ? proof->listeners.at(0).lines : std::vector<std::string>{};
}

std::vector<std::string> ids(const std::vector<Listener>& all, const RuleTexts& texts) {
  const auto proof = verify(all, texts, Topology{});
  EXPECT_TRUE(proof) << proof.error().message;
  std::vector<std::string> out;
  if (proof)
    for (const Finding& finding : proof->findings) out.push_back(finding.id);
  return out;
}

const std::string kGateway =
    "{protocol: tcp, address: 100.64.0.10, port: 8080, sources: [100.64.0.5], interfaces: [tailscale0]}";

TEST(Verify, NamesWhoGetsThroughInTheFewestLines) {
  EXPECT_THAT(lines(listeners(kGateway),
                    iptables("-A INPUT -i lo -j ACCEPT\n"
                             "-A INPUT -i tailscale0 -s 100.64.0.5/32 -p tcp -m tcp --dport 8080 -j ACCEPT\n")),
              ElementsAre("from this host", "from 100.64.0.5 by tailscale0", "nobody else"));
}

const std::string kAnyUdp = "{protocol: udp, address: 0.0.0.0, port: 5353, sources: []}";
const std::string kAnyTcp = "{protocol: tcp, address: 0.0.0.0, port: 8080, sources: []}";
const std::string kAccept = R"({"accept":null})";

TEST(Verify, AResetIsForTcpAloneThoughNftDoesNotSaySo) {
  EXPECT_THAT(lines(listeners(kAnyUdp), nft(rule(R"({"reject":{"type":"tcp reset"}})") + rule(kAccept))),
              ElementsAre("from this host", "from anywhere by any interface", "nobody else"));
}

TEST(Verify, AnIcmpv6RejectStopsNoIpv4) {
  EXPECT_THAT(lines(listeners(kAnyTcp), nft(rule(R"({"reject":{"type":"icmpv6","expr":"no-route"}})") + rule(kAccept))),
              ElementsAre("from this host", "from anywhere by any interface", "nobody else"));
}

TEST(Verify, AResetOfAFamilyThatNftLeftOutIsNotReliedOn) {
  EXPECT_THAT(ids(listeners(kAnyTcp), nft(rule(R"({"reject":{"type":"tcp reset"}})") + rule(kAccept))),
              ElementsAre("firewall.surplus", "firewall.not-modelled"));
}

TEST(Verify, FollowsMarksFromWhereTheyAreSetToWhereTheyAreAsked) {
  const std::string rules =
      "-A INPUT -i eth0 -j MARK --set-xmark 0x40000/0xff0000\n"
      "-A INPUT -m mark --mark 0x40000/0xff0000 -j ACCEPT\n";
  EXPECT_THAT(lines(listeners(kAnyTcp), iptables(rules)), ElementsAre("from anywhere by eth0", "nobody else"));
}

TEST(Verify, WhomFail2banHasBannedIsNotCountedAsClosed) {
  RuleTexts texts = iptables("-A INPUT -j f2b-web\n-A INPUT -i eth0 -j ACCEPT\n-A f2b-web -s 192.0.2.1/32 -j DROP\n");
  texts.saves[0].text.insert(texts.saves[0].text.find(":DOCKER-USER"), ":f2b-web - [0:0]\n");
  EXPECT_THAT(lines(listeners(kAnyTcp), texts), ElementsAre("from anywhere by eth0", "nobody else"));
}

TEST(Verify, AHeaderThatMayBeLeftOutIsNoDoubt) {
  EXPECT_THAT(
      ids(listeners(kGateway), iptables("-A INPUT -m ttl --ttl-lt 5 -j DROP\n"
                                        "-A INPUT -i tailscale0 -s 100.64.0.5/32 -p tcp --dport 8080 -j ACCEPT\n")),
      ElementsAre());
}

TEST(Verify, AsDeclaredThereIsNothingToFind) {
  EXPECT_THAT(
      ids(listeners(kGateway), iptables("-A INPUT -i tailscale0 -s 100.64.0.5/32 -p tcp --dport 8080 -j ACCEPT\n")),
      ElementsAre());
}

TEST(Verify, WithoutAnyRulesEverybodyGetsThrough) {
  EXPECT_THAT(lines(listeners(kGateway), {}),
              ElementsAre("from this host", "from anywhere by any interface", "nobody else"));
}

TEST(Verify, NamesTheRuleThatLetsASurplusIn) {
  const auto proof =
      verify(listeners(kGateway), iptables("-A INPUT -p tcp -m multiport --dports 80,8080 -j ACCEPT\n"), Topology{});
  ASSERT_TRUE(proof);
  ASSERT_EQ(proof->findings.size(), 1U);
  EXPECT_EQ(proof->findings[0].id, "firewall.surplus");
  EXPECT_THAT(proof->findings[0].text, HasSubstr("--dports 80,8080 -j ACCEPT"));
}

TEST(Verify, AMatchThatIsNotKnownCountsAsOpenForAnAcceptAndAsNothingForADrop) {
  const auto open = iptables("-A INPUT -m geoip --source-country XX -j ACCEPT\n");
  EXPECT_THAT(ids(listeners(kGateway), open), ElementsAre("firewall.surplus", "firewall.not-modelled"));
  const auto drop = iptables("-A INPUT -m set --match-set banned src -j DROP\n-A INPUT -j ACCEPT\n");
  EXPECT_THAT(lines(listeners(kGateway), drop),
              ElementsAre("from this host", "from anywhere by any interface", "nobody else"));
}

TEST(Verify, ASetThatIsFilledAtRunTimeCountsAsOpen) {
  const std::string set =
      R"({"set":{"family":"inet","table":"t","name":"s","type":"ipv4_addr","flags":["timeout"],"elem":["1.2.3.4"]}},)";
  const auto rules = nft(
      rule(
          R"({"match":{"op":"==","left":{"payload":{"protocol":"ip","field":"saddr"}},"right":"@s"}},{"accept":null})"),
      set);
  EXPECT_THAT(lines(listeners(kGateway), rules),
              ElementsAre("from this host", "from anywhere by any interface", "nobody else"));
}

TEST(Verify, AConnectionThatIsOpenAlreadyIsNoNewOne) {
  EXPECT_THAT(lines(listeners(kGateway), iptables("-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n")),
              ElementsAre("nobody"));
}

TEST(Verify, LoopbackIsReachedFromThisHostAlone) {
  EXPECT_THAT(lines(listeners("{protocol: tcp, address: 127.0.0.1, port: 8080, device: lo}"), {}),
              ElementsAre("from this host", "nobody else"));
}

TEST(Verify, RouteLocalnetOpensLoopbackToThatLink) {
  Topology host;
  host.complete = true;
  host.links = {{"lo", {}, false}, {"eth0", {}, true}};
  const auto proof = verify(listeners("{protocol: tcp, address: 127.0.0.1, port: 8080}"), {}, host);
  ASSERT_TRUE(proof);
  EXPECT_THAT(proof->listeners[0].lines, ElementsAre("from this host", "from anywhere by eth0", "nobody else"));
  EXPECT_EQ(proof->findings.at(0).id, "firewall.surplus");
}

TEST(Verify, APublishedPortPassesByInputAndIsFound) {
  const auto rules = iptables(
      "-A FORWARD -j DOCKER-USER\n-A DOCKER-USER -p tcp -m tcp --dport 8080 -j DROP\n"
      "-A FORWARD -d 172.17.0.2/32 -p tcp -m tcp --dport 80 -j ACCEPT\n",
      "*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p tcp -m tcp --dport 8080 -j DNAT --to-destination "
      "172.17.0.2:80\nCOMMIT\n");
  EXPECT_THAT(ids(listeners(kGateway), rules),
              testing::IsSupersetOf({"firewall.docker.bypass", "firewall.docker-user.after-dnat"}));
}

TEST(Verify, TheConntrackFormOfTheDockerRuleClosesIt) {
  const auto rules = iptables(
      "-A FORWARD -j DOCKER-USER\n-A DOCKER-USER -p tcp -m conntrack --ctorigdstport 8080 --ctdir ORIGINAL -j DROP\n"
      "-A FORWARD -m conntrack --ctstate DNAT -j ACCEPT\n",
      "*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p tcp -m tcp --dport 8080 -j DNAT --to-destination "
      "172.17.0.2:80\nCOMMIT\n");
  EXPECT_THAT(ids(listeners(kGateway), rules), testing::Not(testing::Contains("firewall.docker.bypass")));
}

TEST(Verify, Ipv6LeftOpenHasAFindingOfItsOwn) {
  auto rules = iptables("");
  EXPECT_THAT(ids(listeners("{protocol: tcp, address: '::', v6only: false, port: 8080, sources: []}"), rules),
              ElementsAre("firewall.ipv6-open"));
}

TEST(Verify, ADenyBehindAnAllowIsNamed) {
  EXPECT_THAT(
      ids(listeners(kGateway),
          iptables("-A INPUT -p tcp --dport 8080 -j ACCEPT\n-A INPUT -s 192.0.2.0/24 -p tcp --dport 8080 -j DROP\n")),
      ElementsAre("firewall.order-defeats-deny"));
}

TEST(Verify, WhatIsDeclaredAndClosedIsSaid) {
  EXPECT_THAT(ids(listeners(kGateway), iptables("")), ElementsAre("firewall.closed"));
}

TEST(Verify, ARuleSetThatIsCutIsAnErrorAndNeverAllIsWell) {
  RuleTexts cut;
  cut.saves.push_back({"*filter\n:INPUT DROP [0:0]\n-A INPUT -j ACC", "iptables", Family::ipv4});
  EXPECT_FALSE(verify(listeners(kGateway), cut, Topology{}));
  cut.saves[0].text = "*filter\n:INPUT DROP [0:0]\n-A INPUT -j ACCEPT\n";  // no COMMIT
  EXPECT_FALSE(verify(listeners(kGateway), cut, Topology{}));
  RuleTexts half;
  half.nft = nft("").nft;
  half.nft.resize(half.nft.size() - 3);
  EXPECT_FALSE(verify(listeners(kGateway), half, Topology{}));
  half.nft = "{}";
  EXPECT_FALSE(verify(listeners(kGateway), half, Topology{}));
}

TEST(Verify, LinesThatHoldNoRuleAreAnError) {
  for (const char* line : {"[0:0]\n", "[0:0] \n", "\"\"\n", "-A\n", "-A INPUT !\n", "-A INPUT -s\n", "-A INPUT -j\n",
                           ":\n", "-I INPUT 3 -j ACCEPT\n"})
    EXPECT_FALSE(verify(listeners(kGateway), iptables(line), Topology{})) << line;
}

TEST(Verify, JumpsInACircleAreAnError) {
  EXPECT_FALSE(
      verify(listeners(kGateway), iptables("-A INPUT -j DOCKER-USER\n-A DOCKER-USER -j DOCKER-USER\n"), Topology{}));
}

TEST(Verify, AFirewalldZoneIsReadWithItsRichRules) {
  const std::string zone = R"(<?xml version="1.0" encoding="utf-8"?><zone><interface name="tailscale0"/>
    <rule family="ipv4"><source address="100.64.0.5/32"/><port port="8080" protocol="tcp"/><accept/></rule></zone>)";
  const auto save = firewalld_as_save({{"z.xml", zone}}, Family::ipv4);
  ASSERT_TRUE(save) << save.error().message;
  RuleTexts texts;
  texts.saves.push_back({*save, "firewalld", Family::ipv4});
  EXPECT_THAT(lines(listeners(kGateway), texts),
              ElementsAre("from this host", "from 100.64.0.5 by any interface", "nobody else"));
  EXPECT_FALSE(firewalld_as_save({{"z.xml", "<zone><interface name="}}, Family::ipv4));
}

RuleTexts firewalld(const std::vector<std::pair<std::string, std::string>>& files) {
  RuleTexts out;
  for (const Family family : {Family::ipv4, Family::ipv6}) {
    auto save = firewalld_as_save(files, family);
    EXPECT_TRUE(save) << save.error().message;
    if (save) out.saves.push_back({std::move(*save), "firewalld", family});
  }
  return out;
}

TEST(Verify, AForwardPortOfFirewalldLeadsToItsListenerAndAwayFromTheOther) {
  const std::string zone =
      R"(<zone><interface name="eth0"/><port port="80" protocol="tcp"/><forward-port port="80" protocol="tcp" to-port="8080"/></zone>)";
  const std::string lo = "from this host", gone = "nobody else";
  EXPECT_THAT(lines(listeners("{protocol: tcp, address: 0.0.0.0, port: 8080}"), firewalld({{"z.xml", zone}})),
              ElementsAre(lo, "from anywhere by any interface sent to port 80", gone));
  // Which addresses are this host's is not known from a file.
  EXPECT_THAT(lines(listeners("{protocol: tcp, address: 0.0.0.0, port: 80}"), firewalld({{"z.xml", zone}})),
              ElementsAre(lo, "from anywhere by any interface (sent on to anywhere but 127.0.0.0/8:8080)", gone));
  // Without an IPv6 address to go to it is for IPv4 alone.
  EXPECT_THAT(lines(listeners("{protocol: tcp, address: '::', port: 8080}"), firewalld({{"z.xml", zone}})),
              ElementsAre(lo, gone));
}

TEST(Verify, ARichForwardPortOfFirewalldIsForItsSourceAndByItsPriority) {
  const std::string rich = R"(<rule family="ipv4" priority="@"><source address="10.0.0.5"/>)"
                           R"(<forward-port port="80" protocol="tcp" to-port="8081"/></rule>)";
  const std::string all = R"(<forward-port port="80" protocol="tcp" to-port="8080"/>)";
  const auto reached = [&](const std::string& priority) {
    std::string rule = rich;
    rule.replace(rule.find('@'), 1, priority);
    return lines(listeners("{protocol: tcp, address: 0.0.0.0, port: 8081}"),
                 firewalld({{"z.xml", "<zone>" + rule + all + "</zone>"}}));
  };
  EXPECT_THAT(reached("-1"),
              ElementsAre("from this host", "from 10.0.0.5 by any interface sent to port 80", "nobody else"));
  EXPECT_THAT(reached("0"), ElementsAre("from this host", "nobody else"));
}

TEST(Verify, AForwardPortOfFirewalldThatCannotBeReadIsAnError) {
  for (const char* bad : {R"(<forward-port port="80" protocol="tcp"/>)", R"(<forward-port port="80" to-port="1"/>)",
                          R"(<forward-port port="80" protocol="tcp" to-addr="host"/>)",
                          R"(<forward-port port="80" protocol="tcp" to-port="1 -j ACCEPT"/>)",
                          R"(<rule family="ipv4"><forward-port protocol="tcp" to-port="1"/></rule>)"}) {
    const auto save = firewalld_as_save({{"z.xml", std::string("<zone>") + bad + "</zone>"}}, Family::ipv4);
    ASSERT_FALSE(save) << bad;
    EXPECT_THAT(save.error().message, HasSubstr("z.xml")) << bad;
  }
}

TEST(Verify, WhatAPolicyOfFirewalldAcceptsCountsAsReachableAndIsSaid) {
  const std::string policy = R"(<policy target="CONTINUE"><ingress-zone name="ANY"/><egress-zone name="@"/>)"
                             R"(<port port="8080" protocol="tcp"/>)"
                             R"(<rule family="ipv4"><port port="8081" protocol="tcp"/><drop/></rule></policy>)";
  const auto with = [&](const std::string& egress) {
    std::string text = policy;
    text.replace(text.find('@'), 1, egress);
    return firewalld({{"p.xml", text}, {"z.xml", R"(<zone><port port="8081" protocol="tcp"/></zone>)"}});
  };
  EXPECT_THAT(lines(listeners("{protocol: tcp, address: 0.0.0.0, port: 8080}"), with("HOST")),
              ElementsAre("from this host", "from anywhere by any interface", "nobody else"));
  EXPECT_THAT(ids(listeners("{protocol: tcp, address: 0.0.0.0, port: 8080}"), with("HOST")),
              testing::Contains("firewall.not-modelled"));
  EXPECT_THAT(lines(listeners("{protocol: tcp, address: 0.0.0.0, port: 8081}"), with("HOST")),
              ElementsAre("from this host", "from anywhere by any interface", "nobody else"));
  EXPECT_THAT(lines(listeners("{protocol: tcp, address: 0.0.0.0, port: 8080}"), with("external")),
              ElementsAre("from this host", "nobody else"));
  const auto alone = firewalld_as_save({{"p.xml", policy}}, Family::ipv4);
  ASSERT_FALSE(alone);
  EXPECT_THAT(alone.error().message, HasSubstr("name the zones"));
}

TEST(Expected, ReadsWhatClawqlPortsWritesAndRefusesWhatNobodyKnows) {
  const auto good = read_expected(
      "version: 1\nlisteners:\n  - {protocol: tcp, address: 127.0.0.1, port: 8080, device: lo, user: clawql, "
      "executable: /usr/bin/x}\n"
      "  - {protocol: unix, path: /run/x.sock, mode: \"0660\", group: clawql}\naccepted: []\n",
      "e.yaml");
  ASSERT_TRUE(good) << good.error().message;
  EXPECT_EQ(good->listeners.size(), 1U);
  EXPECT_EQ(good->skipped.size(), 1U);
  for (const char* bad : {"listeners: [{protocol: tcp, address: 127.0.0.1, port: 8080, sorces: []}]",
                          "listeners: [{protocol: tcp, address: host, port: 1}]",
                          "listeners: [{protocol: tcp, address: 127.0.0.1, port: 0}]",
                          "listeners: [{protocol: tcp, address: 10.0.0.1, port: 1, sources: [10.0.0.0/33]}]",
                          "listeners: [{protocol: tcp, address: 10.0.0.1}]", "", "listeners: 5",
                          "listeners: [{protocol: tcp, address: 10.0.0.1, port: 1, sources: }]"})
    EXPECT_FALSE(read_expected(bad, "e.yaml")) << bad;
}

}  // namespace
}  // namespace clawql::exposure::firewall
