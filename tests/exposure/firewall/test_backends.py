"""Each backend, applied for real: the declared path works, every other is closed, and `remove` brings back what was."""
import contextlib
import os
import pathlib
import shutil
import socket
import threading

import pytest

from support import machine
from .lab import Host, Space, can_connect, run

CLAWQL = str(machine.program("clawql"))
# One listener on the host's address, for one source by one interface.
EXPECTED = """version: 1
listeners:
  - {protocol: tcp, address: 10.66.0.1, port: 8080, sources: [10.66.0.5/32], interfaces: [eth0]}
  - {protocol: tcp, address: "fd66::1", port: 8080, sources: ["fd66::5"], interfaces: [eth0]}
"""
# (source, by link, to, is it declared?)
WAYS = [("10.66.0.5", "n0", "10.66.0.1", True), ("10.66.0.6", "n0", "10.66.0.1", False), ("10.67.0.5", "n1", "10.66.0.1", False),
        ("fd66::5", "n0", "fd66::1", True), ("fd66::6", "n0", "fd66::1", False)]


class Service:
    """A host with a TCP service on 10.66.0.1:8080 and [fd66::1]:8080, and a sender with addresses on both links."""

    def __init__(self):
        self.lab = Host()
        for address, link in (("10.66.0.5/24", "n0"), ("10.66.0.6/24", "n0"), ("10.67.0.5/24", "n1"), ("fd66::5/64", "n0"), ("fd66::6/64", "n0")):
            self.lab.sender.run("ip", "address", "add", address, "dev", link, *(["nodad"] if ":" in address else []))
        self.lab.sender.run("ip", "neigh", "replace", "10.66.0.1", "lladdr", "02:77:00:00:00:bb", "dev", "n0")
        self.sockets = []
        with self.lab.host.inside():
            for family, address in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
                for port in (8080, 22):
                    one = socket.socket(family, socket.SOCK_STREAM)
                    if family == socket.AF_INET6:
                        one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                    one.bind((address, port))
                    one.listen(50)
                    self.sockets.append(one)

    def answers(self, port=8080):
        out = {}
        for source, link, to, _ in WAYS:
            # By the other link to this address: the weak host model.
            route = ["ip", "route", "replace", "10.66.0.1/32", "via", "10.67.0.1", "dev", "n1"]
            if link == "n1":
                self.lab.sender.run(*route)
            out[source] = can_connect(self.lab.sender, to, port, source)
            if link == "n1":
                self.lab.sender.run("ip", "route", "del", "10.66.0.1/32")
        return out

    def from_itself(self):
        return can_connect(self.lab.host, "10.66.0.1", 8080)

    def close(self):
        for one in self.sockets:
            one.close()
        self.lab.close()


DECLARED = {source: declared for source, _, _, declared in WAYS}
OPEN = {source: True for source, *_ in WAYS}


@pytest.fixture
def service():
    one = Service()
    yield one
    one.close()


@pytest.fixture
def expected(tmp_path):
    path = tmp_path / "expected.yaml"
    path.write_text(EXPECTED)
    return path


def clawql(service, *arguments, status=0, **more):
    done = service.lab.host.run(CLAWQL, "firewall", *arguments, check=False, **more)
    assert done.returncode == status, f"{done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def rules_of(service):
    """All rules, without counters and handles."""
    return service.lab.host.run("nft", "-s", "list", "ruleset").stdout


def apply_and_confirm(service, backend, expected, state, **more):
    clawql(service, "apply", "--backend", backend, "--expected", expected, "--state", state, "--yes", **more)
    clawql(service, "confirm", "--state", state, **more)


@pytest.mark.parametrize("backend", ["nftables", "iptables"])
def test_the_declared_path_works_and_every_other_is_closed(service, expected, tmp_path, backend):
    # Something of the host's own that must not be touched.
    service.lab.host.run("nft", "add table inet hosts_own { chain c { type filter hook input priority 10; tcp dport 9 drop; }; }")
    before = rules_of(service)
    assert service.answers() == OPEN
    apply_and_confirm(service, backend, expected, tmp_path / "state")
    assert service.answers() == DECLARED
    assert service.from_itself()
    assert service.answers(22) == OPEN, "a service that was not declared here is left alone"
    first = rules_of(service)
    apply_and_confirm(service, backend, expected, tmp_path / "state")
    assert rules_of(service) == first, "applying again changes nothing"
    assert clawql(service, "verify", "--expected", expected).count("nobody else") == 2
    clawql(service, "remove", "--backend", backend, "--state", tmp_path / "state", "--yes")
    after = rules_of(service)
    # iptables leaves its empty tables behind, as it always does.
    assert "clawql" not in after.lower() and "hosts_own" in after
    if backend == "nftables":
        assert after == before
    assert service.answers() == OPEN


@pytest.fixture
def ufw(service, tmp_path):
    """ufw with a state folder of its own: commands run in a mount namespace where /etc/ufw is private."""
    folders = {"/etc/ufw": tmp_path / "etc-ufw", "/etc/default": tmp_path / "etc-default", "/lib/ufw": tmp_path / "lib-ufw"}
    for real, copy in folders.items():
        shutil.copytree(real, copy, symlinks=True)
    binds = " && ".join(f"mount --bind {copy} {real}" for real, copy in folders.items())

    def command(*words, check=True, text=None):
        line = " ".join("'" + str(word).replace("'", "'\\''") + "'" for word in words)
        return service.lab.host.run("unshare", "--mount", "sh", "-c", f"{binds} && mount -t tmpfs none /run/lock 2>/dev/null; exec {line}", check=check, text=text)

    yield command
    command("ufw", "--force", "disable", check=False)


def through_ufw(ufw, *arguments, status=0):
    done = ufw(CLAWQL, "firewall", *arguments, check=False)
    assert done.returncode == status, f"{done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_ufw_lets_in_what_was_declared_and_nothing_else(service, expected, ufw, tmp_path):
    ufw("ufw", "default", "allow", "incoming")
    ufw("ufw", "allow", "8080/tcp")  # an older rule that would defeat a deny behind it
    ufw("ufw", "--force", "enable")
    before = ufw("ufw", "show", "added").stdout
    assert service.answers() == OPEN
    state = tmp_path / "state"
    for _ in range(2):
        through_ufw(ufw, "apply", "--backend", "ufw", "--expected", expected, "--state", state, "--yes")
        through_ufw(ufw, "confirm", "--state", state)
        assert service.answers() == DECLARED
    assert service.from_itself()
    assert service.answers(22) == OPEN
    report = through_ufw(ufw, "verify", "--expected", expected)
    assert "from 10.66.0.5 by eth0" in report and report.count("nobody else") == 2
    # A narrower declaration takes the older rules away.
    expected.write_text(EXPECTED.replace("10.66.0.5/32", "10.66.0.6/32"))
    through_ufw(ufw, "apply", "--backend", "ufw", "--expected", expected, "--state", state, "--yes")
    through_ufw(ufw, "confirm", "--state", state)
    assert service.answers() == {**DECLARED, "10.66.0.5": False, "10.66.0.6": True}
    through_ufw(ufw, "remove", "--backend", "ufw", "--state", state, "--yes")
    assert ufw("ufw", "show", "added").stdout == before
    assert service.answers() == OPEN


def test_the_source_documents_own_ufw_lines_do_nothing_and_are_flagged(service, expected, ufw, tmp_path):
    ufw("ufw", "default", "allow", "incoming")
    for line in ("allow in on lo to any port 8080 proto tcp", "deny in on any to any port 8080"):
        ufw("ufw", *line.split())
    ufw("ufw", "--force", "enable")
    assert service.answers() == OPEN  # by packets
    report = through_ufw(ufw, "verify", "--expected", expected, status=1)
    assert "firewall.ufw.interface-missing" in report and "firewall.surplus" in report
    # And from its files alone.
    offline = through_ufw(ufw, "verify", "--expected", expected, "--ufw", "/etc/ufw/user.rules", "--ufw6", "/etc/ufw/user6.rules", status=1)
    assert "firewall.ufw.interface-missing" in offline


def test_an_allow_before_a_deny_is_named(service, expected, ufw):
    ufw("ufw", "default", "deny", "incoming")
    ufw("ufw", "allow", "8080/tcp")
    ufw("ufw", "deny", "8080/tcp", check=False)  # ufw replaces; so the deny is another one
    ufw("ufw", "allow", "8080/tcp")
    ufw("ufw", "deny", "from", "10.66.0.6", "to", "any", "port", "8080", "proto", "tcp")
    ufw("ufw", "--force", "enable")
    assert service.answers()["10.66.0.6"]
    assert "firewall.order-defeats-deny" in through_ufw(ufw, "verify", "--expected", expected, status=1)
