"""Docker's own daemon publishing the gateway's port: shown by packets, found by verify, closed by the rendered rules."""
import contextlib
import os
import random
import shutil
import socket
import subprocess
import time

import pytest

from support import machine
from .lab import Space, can_connect, run
from .test_backends import CLAWQL, Service, service  # noqa: F401
from .traffic import SYN, Seen, tcp

# What Docker writes with "firewall-backend": "nftables" (by its documentation): no DOCKER-USER.
NFTABLES_BACKEND = """
table ip docker-bridges {
  map filter-forward-in-jumps { type ifname : verdict; elements = { "docker0" : jump filter-forward-in__docker0 } }
  map filter-forward-out-jumps { type ifname : verdict; elements = { "docker0" : jump filter-forward-out__docker0 } }
  chain filter-FORWARD {
    type filter hook forward priority filter; policy accept;
    oifname vmap @filter-forward-in-jumps
    iifname vmap @filter-forward-out-jumps
  }
  chain filter-forward-in__docker0 {
    ct state established,related counter accept
    iifname "docker0" counter accept comment "ICC"
    ip daddr 172.17.0.2 tcp dport 80 counter accept
    counter drop comment "UNPUBLISHED PORT DROP"
  }
  chain filter-forward-out__docker0 {
    ct state established,related counter accept
    counter accept comment "OUTGOING"
  }
  chain nat-PREROUTING {
    type nat hook prerouting priority dstnat; policy accept;
    fib daddr type local counter jump nat-prerouting-and-output
  }
  chain nat-prerouting-and-output {
    tcp dport 18080 counter dnat to 172.17.0.2:80 comment "DNAT"
  }
  chain raw-PREROUTING {
    type filter hook prerouting priority raw; policy accept;
    iifname != "docker0" ip daddr 172.17.0.2 counter drop comment "DROP DIRECT ACCESS"
  }
}
"""
EXPECTED = """version: 1
listeners:
  - {protocol: tcp, address: 0.0.0.0, port: 18080, sources: [10.66.0.5/32], interfaces: [eth0]}
"""
ON_LOOPBACK = """version: 1
listeners:
  - {protocol: tcp, address: 127.0.0.1, port: 18081}
"""


class Docker:
    def __init__(self, lab, folder):
        self.lab, self.folder = lab, folder
        self.socket = f"unix:///run/cq{os.getpid()}.docker"
        self.daemon = subprocess.Popen(["nsenter", f"--net=/run/netns/{lab.host.name}", "dockerd", f"--host={self.socket}", f"--data-root={folder}/data",
                                        f"--exec-root={folder}/exec", f"--pidfile={folder}/pid", "--storage-driver=vfs"],
                                       stdout=open(folder / "log", "w"), stderr=subprocess.STDOUT)
        machine.eventually(lambda: self.run("info", check=False).returncode == 0, 40, f"dockerd: {folder}/log")

    def run(self, *arguments, **more):
        return run("/usr/bin/docker", "-H", self.socket, *arguments, **more)

    def import_image(self):
        root = self.folder / "root"
        for name in ("bin", "www", "tmp"):
            (root / name).mkdir(parents=True)
        shutil.copy("/bin/busybox", root / "bin/busybox")
        (root / "www/index.html").write_text("hello")
        subprocess.run(f"tar -C {root} -c . | /usr/bin/docker -H {self.socket} import - lab:1", shell=True, check=True, capture_output=True)

    def publish(self, port="18080", name="web"):
        """A container with a server on its port 80; gives back its address."""
        if not self.run("images", "-q", "lab:1").stdout:
            self.import_image()
        self.run("run", "-d", "--name", name, "-p", f"{port}:80", "lab:1", "/bin/busybox", "httpd", "-f", "-h", "/www", "-p", "80")
        return self.run("inspect", "-f", "{{.NetworkSettings.IPAddress}}", name).stdout.strip()

    def close(self):
        names = self.run("ps", "-aq", check=False).stdout.split()
        if names:
            self.run("rm", "-f", *names, check=False)
        self.daemon.terminate()
        self.daemon.wait(30)
        for line in sorted(open("/proc/mounts").read().splitlines(), reverse=True):
            if f" {self.folder}/" in line:
                run("umount", line.split()[1])


@pytest.fixture
def docker(tmp_path):
    service = Service()
    one = Docker(service.lab, tmp_path)
    yield one
    one.close()
    service.close()


def verify(host, expected):
    done = host.run(CLAWQL, "firewall", "verify", "--expected", expected, check=False)
    assert done.returncode in (0, 1), done.stderr
    assert "not-modelled" not in done.stdout, done.stdout
    return done.stdout


def change(host, state, *command):
    done = host.run(CLAWQL, "firewall", *command, "--state", state, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.timeout(180)
def test_a_published_port_passes_by_the_firewall_is_found_and_is_closed(docker, tmp_path):
    container = docker.publish()
    expected, state = tmp_path / "expected.yaml", tmp_path / "state"
    expected.write_text(EXPECTED)
    sender, host = docker.lab.sender, docker.lab.host
    sender.run("ip", "route", "add", "172.17.0.0/16", "via", "10.66.0.1")
    host.run("iptables", "-A", "INPUT", "-i", "lo", "-j", "ACCEPT")
    host.run("iptables", "-A", "INPUT", "-m", "conntrack", "--ctstate", "RELATED,ESTABLISHED", "-j", "ACCEPT")
    host.run("iptables", "-P", "INPUT", "DROP")

    def published(source):
        return can_connect(sender, "10.66.0.1", 18080, source)

    machine.eventually(lambda: can_connect(host, container, 80), what="the container's server")
    # INPUT drops everything, and yet both ways are open.
    assert published("10.66.0.6") and can_connect(sender, container, 80, "10.66.0.6")
    host.run("iptables", "-I", "DOCKER-USER", "-i", "eth0", "-p", "tcp", "--dport", "18080", "-j", "DROP")
    assert published("10.66.0.6"), "the rule on the port after DNAT does nothing"

    report = verify(host, expected)
    assert "firewall.docker.bypass" in report and "firewall.docker-user.after-dnat" in report and f"{container}:80" in report
    host.run("iptables", "-D", "DOCKER-USER", "-i", "eth0", "-p", "tcp", "--dport", "18080", "-j", "DROP")

    change(host, state, "apply", "--backend", "docker", "--expected", expected, "--yes")
    change(host, state, "confirm")
    assert published("10.66.0.5") and not published("10.66.0.6")
    assert not can_connect(sender, container, 80, "10.66.0.6") and not can_connect(sender, container, 80, "10.66.0.5")
    assert can_connect(host, container, 80), "the host itself still gets there"
    report = verify(host, expected)
    assert "from 10.66.0.5 by eth0 sent to port 18080 (sent on to" in report and "firewall." not in report, report
    change(host, state, "remove", "--backend", "docker", "--yes")
    assert published("10.66.0.6")


def answers_to_loopback(lab, port):
    """Does the host answer a neighbour's packet to 127.0.0.1? No stack would send it, so it is made by hand."""
    tap = lab.taps["eth0"]
    source_port = random.randrange(20000, 60000)
    tap.send(tcp("10.66.0.6", source_port, "127.0.0.1", port, SYN, 1))
    end = time.monotonic() + 0.4
    while time.monotonic() < end:
        with contextlib.suppress(BlockingIOError):
            seen = Seen(tap.recv(2000))
            if seen.protocol == "tcp" and seen.port == source_port and seen.flags & SYN:
                return True
    return False


@pytest.mark.timeout(180)
def test_a_port_published_on_loopback_has_ways_around_it_which_are_found_and_closed(docker, tmp_path):
    container = docker.publish("127.0.0.1:18081", "inside")
    expected, state = tmp_path / "expected.yaml", tmp_path / "state"
    expected.write_text(ON_LOOPBACK)
    sender, host = docker.lab.sender, docker.lab.host
    sender.run("ip", "route", "add", "172.17.0.0/16", "via", "10.66.0.1")
    machine.eventually(lambda: can_connect(host, "127.0.0.1", 18081), what="the container's server")
    assert not can_connect(sender, "10.66.0.1", 18081)
    assert can_connect(sender, container, 80, "10.66.0.6") and answers_to_loopback(docker.lab, 18081)
    report = verify(host, expected)
    assert "firewall.docker.bypass" in report and f"sent on to {container}:80" in report, report
    change(host, state, "apply", "--backend", "docker", "--expected", expected, "--yes")
    change(host, state, "confirm")
    assert not can_connect(sender, container, 80, "10.66.0.6") and not answers_to_loopback(docker.lab, 18081)
    assert can_connect(host, "127.0.0.1", 18081)
    assert "firewall." not in verify(host, expected)
    change(host, state, "remove", "--backend", "docker", "--yes")
    assert can_connect(sender, container, 80, "10.66.0.6")


def test_dockers_nftables_backend_is_read_and_closed(service, tmp_path):  # noqa: F811
    host, sender, container = service.lab.host, service.lab.sender, Space()
    try:
        host.ip("link add docker0 type bridge", "address add 172.17.0.1/16 dev docker0", "link set docker0 up",
                f"link add v0 type veth peer name eth0 netns {container.name}", "link set v0 master docker0 up")
        container.ip("address add 172.17.0.2/16 dev eth0", "link set eth0 up", "route add default via 172.17.0.1")
        host.sysctl("ipv4/ip_forward", 1)
        host.run("nft", "-f", "-", text=NFTABLES_BACKEND)
        with container.inside():
            server = socket.create_server(("0.0.0.0", 80))
        with server:
            expected, state = tmp_path / "expected.yaml", tmp_path / "state"
            expected.write_text(EXPECTED)
            reached = lambda source: can_connect(sender, "10.66.0.1", 18080, source)  # noqa: E731
            machine.eventually(lambda: reached("10.66.0.6"), what="the published port")
            sender.run("ip", "route", "add", "172.17.0.0/16", "via", "10.66.0.1")
            assert not can_connect(sender, "172.17.0.2", 80, "10.66.0.6"), "this backend lets nobody to the container's own address"
            report = verify(host, expected)
            assert "firewall.docker.bypass" in report and "172.17.0.2:80" in report
            change(host, state, "apply", "--backend", "docker", "--expected", expected, "--yes")
            change(host, state, "confirm")
            assert reached("10.66.0.5") and not reached("10.66.0.6")
            assert "firewall." not in verify(host, expected)
            change(host, state, "remove", "--backend", "docker", "--yes")
            assert reached("10.66.0.6")
    finally:
        container.close()
