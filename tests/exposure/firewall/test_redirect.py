"""REDIRECT of IPv6 leads to an address of the scope that the packet was sent to: rules that ask for link-local destinations
see it, and what was sent to a scope of which the link has no address is dropped."""
import contextlib

import pytest

from .lab import Host, reached_ports

EXPECTED = "version: 1\nlisteners:\n  - {protocol: udp, address: '::', port: 1000, sources: []}\n"
RULES = """table inet t {
  chain nat0 { type nat hook prerouting priority dstnat; udp dport 1100 redirect to :1000; }
  chain in0 { type filter hook input priority 0; policy drop; ip6 daddr %s accept; }
}
"""
OWN_LINK_LOCAL = "fe80::77:ff:fe00:bb"


@pytest.mark.parametrize("admitted,arriving", [("fe80::/10", [OWN_LINK_LOCAL]), ("fd66::1", ["fd66::1", "2001:db8::1"]), ("::/0", [OWN_LINK_LOCAL, "fd66::1", "2001:db8::1"])])
def test_a_redirect_keeps_to_the_scope_that_it_was_sent_to(tmp_path, admitted, arriving):
    expected = tmp_path / "expected.yaml"
    expected.write_text(EXPECTED)
    with contextlib.closing(Host()) as host:
        host.listen_udp([1000])
        host.host.run("nft", "-f", "-", text=RULES % admitted)
        proof, _ = host.verify(expected)
        packets = [{"protocol": "udp", "link": "eth0", "source": "fd66::20", "source_port": 40000 + number, "to": to, "port": 1100}
                   for number, to in enumerate((OWN_LINK_LOCAL, "fd66::1", "2001:db8::1", "fec0::1"))]
        arrived = host.send(packets)
        assert {packets[index]["to"] for index, port in arrived if port == 1000} == set(arriving)
        for index, packet in enumerate(packets):
            assert reached_ports(proof, packet) == {port for number, port in arrived if number == index}, packet
