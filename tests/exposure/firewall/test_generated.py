"""The computed set against the kernel: generated rule sets, packets at and beside the borders, sent for real."""
import json

import pytest

from . import generate
from .lab import Host, reached_ports

EXPECTED = "version: 1\nlisteners:\n" + "".join(
    f"  - {{protocol: udp, address: '{address}', port: {port}, sources: []}}\n"
    for port in generate.LISTENERS for address in ("0.0.0.0", "::"))


def compare(host, maker, rules, expected, count=120):
    proof, done = host.verify(expected)
    assert proof["complete"], done.stdout
    packets = maker.packets(count)
    arrived = host.send(packets)
    wrong = []
    for index, packet in enumerate(packets):
        seen = {port for number, port in arrived if number == index}
        computed = reached_ports(proof, packet)
        if seen != computed:
            wrong.append(f"{packet}: arrived at {sorted(seen)}, computed {sorted(computed)}")
    unsure = [one["text"] for one in proof["findings"] if one["id"] == "firewall.not-modelled"]
    assert not wrong, "\n".join(wrong[:5]) + f"\n{len(wrong)} of {len(packets)} packets disagree with\n{rules}\n{unsure}\n{json.dumps(proof)[:3000]}"
    return len(packets), len(arrived)


def through_all(pytestconfig, tmp_path, load, kind):
    expected = tmp_path / "expected.yaml"
    expected.write_text(EXPECTED)
    sent = arrived = 0
    first = pytestconfig.getoption("--seed", 1)
    for seed in range(first, first + pytestconfig.getoption("--count", 50)):
        host = Host()
        try:
            host.listen_udp(generate.LISTENERS)
            maker = kind(f"{kind.__name__} {seed}")
            rules = load(host, maker)
            one_sent, one_arrived = compare(host, maker, f"seed {seed}\n{rules}", expected)
            sent += one_sent
            arrived += one_arrived
        finally:
            host.close()
    print(f"{sent} packets, {arrived} arrived")
    # Of packets that all arrive, or none, nothing would be learnt.
    assert sent * 0.1 < arrived < sent * 0.9


@pytest.mark.timeout(3600)
def test_what_nftables_lets_through_is_what_was_computed(pytestconfig, tmp_path):
    def load(host, maker):
        text = maker.text()
        host.host.run("nft", "-f", "-", text=text)
        return text
    through_all(pytestconfig, tmp_path, load, generate.Nft)


@pytest.mark.timeout(3600)
def test_what_iptables_lets_through_is_what_was_computed(pytestconfig, tmp_path):
    def load(host, maker):
        four, six = maker.texts()
        host.host.run("iptables-restore", text=four)
        host.host.run("ip6tables-restore", text=six)
        return four + six
    through_all(pytestconfig, tmp_path, load, generate.Iptables)
