#include "exposure/firewall/render.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "exposure/firewall/verify.hpp"

namespace clawql::exposure::firewall {
namespace {

using testing::HasSubstr;
using testing::Not;

Listener gateway() {
  Listener out;
  EXPECT_TRUE(set_address(out, "100.64.0.10"));
  out.port = 8080;
  out.interfaces = {"tailscale0"};
  out.sources = {*parse_network("100.64.0.5")};
  out.sources_declared = true;
  return out;
}

std::string rendered(Backend backend, const std::vector<Listener>& listeners) {
  const auto text = render(backend, listeners, {});
  EXPECT_TRUE(text) << text.error().message;
  return text.value_or("");
}

TEST(Render, AVpnAddressGetsTheStrongHostRule) {
  EXPECT_THAT(rendered(Backend::nftables, {gateway()}),
              HasSubstr("ip daddr 100.64.0.10 iifname != { \"lo\", \"tailscale0\" } counter drop"));
  EXPECT_THAT(rendered(Backend::iptables, {gateway()}),
              HasSubstr("-A CLAWQL-VPN ! -i tailscale0 -d 100.64.0.10 -j DROP"));
}

TEST(Render, AListenerWhoseDeclarationNamesNobodyIsLeftAlone) {
  Listener listener = gateway();
  listener.interfaces.clear();
  listener.sources.clear();
  listener.sources_declared = false;
  for (const Backend backend :
       {Backend::nftables, Backend::iptables, Backend::ufw, Backend::firewalld, Backend::docker})
    EXPECT_THAT(rendered(backend, {listener}), Not(HasSubstr("port 8080"))) << name_of(backend);
}

TEST(Render, SourcesOfOneFamilyOpenNothingInTheOther) {
  Listener listener = gateway();
  ASSERT_TRUE(set_address(listener, "::"));
  const std::string text = rendered(Backend::nftables, {listener});
  EXPECT_THAT(text, HasSubstr("meta nfproto ipv6 tcp dport 8080 counter drop"));
  EXPECT_THAT(text, Not(HasSubstr("iifname \"tailscale0\" meta nfproto ipv6")));
}

TEST(Render, ANameThatIsNoInterfaceNeverReachesAScript) {
  for (const char* name : {"eth0;reboot", "$(x)", "a b", "\"", "'", "eth*"}) {
    Listener listener = gateway();
    listener.interfaces = {name};
    for (const Backend backend :
         {Backend::nftables, Backend::iptables, Backend::ufw, Backend::firewalld, Backend::docker})
      EXPECT_FALSE(render(backend, {listener}, {})) << name;
  }
}

TEST(Render, LoopbackListenersGetTheGuardAndNothingElse) {
  Listener listener;
  ASSERT_TRUE(set_address(listener, "127.0.0.1"));
  listener.port = 8080;
  listener.sources_declared = true;
  const std::string text = rendered(Backend::nftables, {listener});
  EXPECT_THAT(text, HasSubstr("iifname != \"lo\" ip daddr 127.0.0.0/8 counter drop"));
  EXPECT_THAT(text, Not(HasSubstr("8080")));
}

}  // namespace
}  // namespace clawql::exposure::firewall
