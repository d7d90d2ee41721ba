#!/usr/bin/python3
"""Measures `clawql firewall verify` of large rule sets: 5,000 rules of iptables-save and of nft.

    bench/exposure_firewall.py [--rules 5000] [--listeners 4] [--runs 5] [--markdown]

Needs the release build, and root for nft's own JSON (the rules are loaded in a network namespace of their own, which ends with
the script). The rules are of four kinds in equal parts: a network may or may not reach a port (near the listeners' ports and far
from them), the same by interface and state, a range of ports, a jump into a chain of twenty. Aims: 1 s and 50 MB.
"""

import argparse
import os
import pathlib
import random
import statistics
import subprocess
import sys
import tempfile

from exposure_ports import CLAWQL, measure

FIRST_PORT = 8080


def one_rule(dice, nft):
    network = f"{dice.randrange(1, 224)}.{dice.randrange(256)}.{dice.randrange(256)}.0/{dice.choice([16, 20, 24])}"
    network = network.replace(".0/16", ".0/24") if nft else network
    port = dice.choice([FIRST_PORT + dice.randrange(8), dice.randrange(1, 65536)])
    last = min(65535, port + dice.randrange(1, 200))
    verdict = dice.choice(["accept", "drop"])
    kind = dice.randrange(3)
    if nft:
        return [f"ip saddr {network} tcp dport {port} {verdict}", f'iifname "eth{dice.randrange(8)}" ct state new tcp dport {port} {verdict}',
                f"ip saddr {network} tcp dport {port}-{last} {verdict}"][kind]
    verdict = verdict.upper()
    return [f"-s {network} -p tcp -m tcp --dport {port} -j {verdict}",
            f"-i eth{dice.randrange(8)} -p tcp -m conntrack --ctstate NEW -m tcp --dport {port} -j {verdict}",
            f"-s {network} -p tcp -m tcp --dport {port}:{last} -j {verdict}"][kind]


def rules(count, nft):
    """[(chain, rule)]: three of four in INPUT, the others in chains of twenty that INPUT jumps to."""
    dice = random.Random(7)
    made, chains = [], 0
    while len(made) < count:
        made += [("INPUT", one_rule(dice, nft)) for _ in range(60)]
        chains += 1
        made += [(f"C{chains}", one_rule(dice, nft)) for _ in range(20)]
        network = f"10.{dice.randrange(256)}.0.0/16"
        made.append(("INPUT", f"ip saddr {network} jump C{chains}" if nft else f"-s {network} -j C{chains}"))
    return made[:count] + [("INPUT", f"jump C{chains}" if nft else f"-j C{chains}")], chains


def iptables_save(count):
    made, chains = rules(count, nft=False)
    lines = ["*filter", ":INPUT DROP [0:0]", ":FORWARD DROP [0:0]", ":OUTPUT ACCEPT [0:0]"]
    lines += [f":C{number} - [0:0]" for number in range(1, chains + 1)]
    return "\n".join([*lines, *(f"-A {chain} {rule}" for chain, rule in made), "COMMIT", ""])


def nft_json(count):
    made, chains = rules(count, nft=True)
    text = "table inet bench {\n" + "".join(f"chain C{number} {{\n" + "".join(f"{rule}\n" for chain, rule in made if chain == f"C{number}") + "}\n"
                                            for number in range(1, chains + 1))
    text += "chain input { type filter hook input priority filter; policy drop;\n" + "".join(f"{rule}\n" for chain, rule in made if chain == "INPUT") + "}\n}\n"
    done = subprocess.run(["unshare", "--net", "sh", "-ec", "nft -f - && nft -j list ruleset"], input=text, capture_output=True, text=True, check=True)
    return done.stdout


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rules", type=int, default=5_000)
    parser.add_argument("--listeners", type=int, default=4)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--markdown", action="store_true")
    options = parser.parse_args()
    assert os.geteuid() == 0, "needs root"
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        expected = folder / "expected.yaml"
        expected.write_text("version: 1\nlisteners:\n" + "".join(
            f"  - {{protocol: tcp, address: 0.0.0.0, port: {FIRST_PORT + number}, sources: [10.0.0.0/8]}}\n" for number in range(options.listeners)))
        (folder / "rules.v4").write_text(iptables_save(options.rules))
        (folder / "ruleset.json").write_text(nft_json(options.rules))
        verify = [str(CLAWQL), "firewall", "verify", "--expected", str(expected)]
        rows = [("iptables-save", [*verify, "--iptables-save", str(folder / "rules.v4")]), ("nft, JSON", [*verify, "--nft", str(folder / "ruleset.json")])]
        bar = "|" if options.markdown else ""
        print(f"{options.rules} rules, {options.listeners} listeners, median of {options.runs} runs")
        print(f"{bar} {'verify of':16} {bar} {'wall ms':>8} {bar} {'CPU ms':>8} {bar} {'peak MiB':>8} {bar}")
        if options.markdown:
            print("|---|---|---|---|")
        for label, command in rows:
            runs = [measure(command, (0, 1, 2)) for _ in range(options.runs)]
            wall, cpu, memory = (statistics.median(column) for column in zip(*runs))
            print(f"{bar} {label:16} {bar} {wall * 1000:8.0f} {bar} {cpu * 1000:8.0f} {bar} {memory:8.1f} {bar}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
