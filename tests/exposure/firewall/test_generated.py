"""The computed set against the kernel: generated rule sets, packets at and beside the borders (of the rules and of the set that
was computed), sent for real. Of those that come through, the next packet of the connection, too."""
import concurrent.futures
import ipaddress
import json

import pytest

from . import generate
from .borders import Borders
from .lab import is_in
from .traffic import Exchange, Target

AT_ONCE = 4  # pairs of namespaces; most of the time of one is waiting until nothing more comes
EXPECTED = "version: 1\nlisteners:\n" + "".join(
    f"  - {{protocol: {protocol}, address: '{address}', port: {port}, sources: []}}\n"
    for protocol in ("udp", "tcp") for port in generate.LISTENERS for address in ("0.0.0.0", "::"))


def places(proof, packet, members):
    """Where the packet gets to, by the proof: {("local" or "forwarded", port)}."""
    family = "ipv4" if ipaddress.ip_address(packet["source"]).version == 4 else "ipv6"
    out = set()
    for one in proof["listeners"]:
        if one["listener"].startswith(packet["protocol"] + " "):
            for way in one["ways"]:
                if way["family"] == family and any(is_in(flow, packet) for flow in way[members]):
                    # Without a port of its own, a translation keeps the packet's.
                    out.add(("forwarded" if way["forwarded"] else "local", int(way["endpoint"].rsplit(":", 1)[1])))
    return out


def ends(proof, packet):
    """Where packets to the listeners of the packet's protocol are sent on to."""
    return {("forwarded", int(way["endpoint"].rsplit(":", 1)[1])) for one in proof["listeners"] if one["listener"].startswith(packet["protocol"])
            for way in one["ways"] if way["forwarded"] and (way["family"] == "ipv4") == ("." in packet["source"])}


def packets_for(maker, proof, count):
    out = maker.packets(count) + Borders(proof, maker.random).some(count)
    # One packet a connection: a second one of the same tuple would be another state, or another translation.
    return list({tuple(p[part] for part in ("protocol", "source", "source_port", "to", "port")): p for p in out}.values())


def compare(host, maker, rules, expected, count=160):
    proof, done = host.verify(expected)
    assert proof["complete"], done.stdout
    packets = packets_for(maker, proof, count)
    seen = Exchange(host, packets)
    wrong = []
    for index, packet in enumerate(packets):
        for arrived, members in ((seen.first, "set"), (seen.later, "established")):
            if members == "established" and index not in seen.followed:
                continue
            really = {(kind, port) for number, kind, port in arrived if number == index}
            if packet["port"] not in generate.LISTENERS:  # sent on to where no listener's packets are sent on to
                really = {place for place in really if place[0] == "local" or place in ends(proof, packet)}
            computed = places(proof, packet, members)
            # A connection has one way; by the whole set it may come from several.
            if members == "established":
                first = {(kind, port) for number, kind, port in seen.first if number == index}
                computed &= first
                if maker.flags and really <= computed:
                    continue
            if maker.unsure and really <= computed:
                continue
            if really != computed:
                wrong.append(f"{members} {index} {packet}: came to {sorted(really)}, computed {sorted(computed)}")
    unsure = [one["text"] for one in proof["findings"] if one["id"] == "firewall.not-modelled"]
    assert not wrong, "\n".join(wrong[:5]) + f"\n{len(wrong)} of {len(packets)} packets disagree with\n{rules}\n{unsure}\n{json.dumps(proof)[:3000]}"
    return {"packets": len(packets), "arrived": len(seen.first), "of them forwarded": sum(kind == "forwarded" for _, kind, _ in seen.first),
            "followers": len(seen.followed), "followers arrived": len(seen.later)}


def one_set(seed, load, kind, expected):
    """Of one rule set, in namespaces of its own: what was sent and what arrived."""
    host = Target(generate.LISTENERS)
    try:
        maker = kind(f"{kind.__name__} {seed}")
        rules = load(host, maker)
        return compare(host, maker, f"seed {seed}\n{rules}", expected)
    finally:
        host.close()


def through_all(pytestconfig, tmp_path, load, kind):
    expected = tmp_path / "expected.yaml"
    expected.write_text(EXPECTED)
    total = {}
    first = pytestconfig.getoption("--seed", 1)
    # Each thread enters namespaces for itself.
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        sets = [pool.submit(one_set, seed, load, kind, expected) for seed in range(first, first + pytestconfig.getoption("--count", 250))]
        try:
            for one in sets:
                for name, number in one.result().items():
                    total[name] = total.get(name, 0) + number
        finally:
            pool.shutdown(cancel_futures=True)
    print(total)
    # Of packets that all arrive, or none, nothing would be learnt.
    assert total["packets"] * 0.1 < total["arrived"] < total["packets"] * 0.9
    assert 0 < total["of them forwarded"]
    assert total["followers"] * 0.3 < total["followers arrived"] <= total["followers"]


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
