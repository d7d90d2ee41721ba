"""Real VPNs: WireGuard between two namespaces, and Headscale with Tailscale's own nodes. A listener on the VPN's address alone
is reached around the VPN (Linux answers for an address on every link); verify says so and the rendered rule ends it."""
import contextlib
import json
import os
import pathlib
import socket
import subprocess
import threading

import pytest

from support import machine
from .lab import Space, can_connect, run
from .test_backends import CLAWQL
from .test_real_rules import proof_of, reached

TAILNET = machine.CACHE / "tailnet"


class Member:
    """A namespace on the underlay 10.77.0.0/24, joined by a bridge."""

    def __init__(self, bridge, number):
        self.space = Space()
        self.address = f"10.77.0.{number}"
        self.link = "eth0"
        self.space.ip(f"link add eth0 type veth peer name v{number} netns {bridge.name}", f"address add {self.address}/24 dev eth0",
                      "link set eth0 up", "route add default via 10.77.0.1")
        bridge.ip(f"link set v{number} master br0 up")

    def run(self, *command, **more):
        return self.space.run(*command, **more)

    def listen(self, address, port):
        with self.space.inside():
            one = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
        one.setsockopt(socket.IPPROTO_IP, 15, 1)  # IP_FREEBIND
        one.bind((address, port))
        one.listen(20)
        return one


@contextlib.contextmanager
def underlay(*numbers):
    """A bridge at 10.77.0.1 and members on it."""
    bridge = Space()
    members = []
    try:
        # With a fixed link address: one that changes with each port would leave old answers in the members' caches.
        bridge.ip("link add br0 address 02:77:00:00:00:01 type bridge", "address add 10.77.0.1/24 dev br0", "link set br0 up")
        members += [Member(bridge, number) for number in numbers]
        yield bridge, *members
    finally:
        for one in members:
            one.space.close()
        bridge.close()


@contextlib.contextmanager
def started(command, log):
    with open(log, "w") as out:
        process = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(20)


def expected_file(folder, address, source, interface):
    path = folder / "expected.yaml"
    path.write_text(f"version: 1\nlisteners:\n  - {{protocol: tcp, address: '{address}', port: 8080, sources: [{source}], interfaces: [{interface}]}}\n")
    return path


def closed_around_the_vpn(server, client, neighbour, address, source, interface, folder, backends=("nftables", "iptables")):
    """The whole story of a listener on a VPN's address; `source` is the client's address in the VPN."""
    expected = expected_file(folder, address, source, interface)
    neighbour.run("ip", "route", "replace", address, "via", server.address)
    with server.listen(address, 8080):
        machine.eventually(lambda: can_connect(client.space, address, 8080, seconds=2), 30, "by the VPN")
        for backend in backends:
            # Without the rule: the neighbour holds no key, and gets in.
            assert can_connect(neighbour.space, address, 8080)
            proof, unknown = proof_of(server.run, expected)
            assert unknown == []
            lines = reached(proof, f"tcp {address}:8080")
            assert any("by any interface" in line or "eth0" in line for line in lines), lines
            surplus = [one for one in proof["findings"] if one["id"] == "firewall.surplus"]
            assert any("eth0" in one["text"] or "any interface but" in one["text"] for one in surplus), surplus
            for command in (["apply", "--backend", backend, "--expected", expected, "--yes"], ["confirm"]):
                server.run(CLAWQL, "firewall", *command, "--state", folder / "state")
            assert not can_connect(neighbour.space, address, 8080)
            assert not can_connect(neighbour.space, address, 9999), "nothing else of that address either"
            assert can_connect(client.space, address, 8080, seconds=2)
            assert can_connect(server.space, address, 8080)
            proof, unknown = proof_of(server.run, expected)
            assert unknown == [] and proof["findings"] == [], proof["findings"]
            assert reached(proof, f"tcp {address}:8080") == ["from this host", f"from {source} by {interface}", "nobody else"]
            server.run(CLAWQL, "firewall", "remove", "--backend", backend, "--state", folder / "state", "--yes")


@contextlib.contextmanager
def wireguard(member, name, address, port, folder):
    """An interface; the kernel's own where there is one, else wireguard-go. Gives back its public key."""
    key = subprocess.run(["wg", "genkey"], capture_output=True, text=True, check=True).stdout
    (folder / f"{name}.key").write_text(key)
    public = subprocess.run(["wg", "pubkey"], input=key, capture_output=True, text=True, check=True).stdout.strip()
    with contextlib.ExitStack() as stack:
        if member.run("ip", "link", "add", name, "type", "wireguard", check=False).returncode != 0:
            stack.enter_context(started(["ip", "netns", "exec", member.space.name, "wireguard-go", "-f", name], folder / f"{name}.log"))
            machine.eventually(lambda: os.path.exists(f"/var/run/wireguard/{name}.sock"), what="wireguard-go")
        member.run("wg", "set", name, "private-key", folder / f"{name}.key", "listen-port", port)
        member.space.ip(f"address add {address}/24 dev {name}", f"link set {name} mtu 1420 up")
        yield public


@pytest.mark.timeout(120)
def test_a_listener_on_a_wireguard_address(tmp_path):
    # wireguard-go's control sockets are one folder for the whole machine: the names must differ.
    one, two = f"wga{os.getpid() % 10**9}", f"wgb{os.getpid() % 10**9}"
    with underlay(2, 3, 4) as (_, server, client, neighbour), \
            wireguard(server, one, "10.99.0.1", 51820, tmp_path) as server_key, wireguard(client, two, "10.99.0.2", 51820, tmp_path) as client_key:
        server.run("wg", "set", one, "peer", client_key, "allowed-ips", "10.99.0.2/32")
        client.run("wg", "set", two, "peer", server_key, "allowed-ips", "10.99.0.1/32", "endpoint", f"{server.address}:51820")
        closed_around_the_vpn(server, client, neighbour, "10.99.0.1", "10.99.0.2", one, tmp_path)


class Headscale:
    """The control server, on the bridge, with an embedded relay and a certificate of its own."""

    def __init__(self, stack, bridge, folder):
        self.bridge, self.folder = bridge, folder
        self.config = folder / "hs.yaml"
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=hs.test",
            "-addext", "subjectAltName=IP:10.77.0.1", "-keyout", folder / "key.pem", "-out", folder / "cert.pem")
        (folder / "policy.hujson").write_text(json.dumps({
            "tagOwners": {"tag:gw": ["alice@"]}, "grants": [{"src": ["alice@"], "dst": ["tag:gw"], "ip": ["tcp:8080", "tcp:80", "icmp:*"]}]}))
        self.config.write_text(json.dumps({
            "server_url": "https://10.77.0.1:8443", "listen_addr": "10.77.0.1:8443", "metrics_listen_addr": "", "grpc_listen_addr": "127.0.0.1:50443",
            "grpc_allow_insecure": False, "noise": {"private_key_path": str(folder / "noise.key")},
            "prefixes": {"v4": "100.64.0.0/10", "v6": "fd7a:115c:a1e0::/48", "allocation": "sequential"},
            "tls_cert_path": str(folder / "cert.pem"), "tls_key_path": str(folder / "key.pem"),
            "derp": {"server": {"enabled": True, "region_id": 999, "region_code": "lab", "region_name": "lab", "verify_clients": True,
                                "stun_listen_addr": "10.77.0.1:3478", "private_key_path": str(folder / "derp.key"),
                                "automatically_add_embedded_derp_region": True, "ipv4": "10.77.0.1"}, "urls": [], "paths": [], "auto_update_enabled": False},
            "disable_check_updates": True, "database": {"type": "sqlite", "sqlite": {"path": str(folder / "db.sqlite"), "write_ahead_log": True}},
            "policy": {"mode": "file", "path": str(folder / "policy.hujson")}, "log": {"level": "info", "format": "text"}, "logtail": {"enabled": False},
            "dns": {"magic_dns": True, "base_domain": "tail.test", "override_local_dns": False, "nameservers": {"global": []}},
            "unix_socket": str(folder / "hs.sock"), "unix_socket_permission": "0770"}))
        stack.enter_context(started(["ip", "netns", "exec", bridge.name, TAILNET / "headscale", "-c", self.config, "serve"], folder / "hs.log"))
        machine.eventually(lambda: self.run("health", check=False).returncode == 0, 30, f"headscale: {folder}/hs.log")
        self.run("users", "create", "alice")

    def run(self, *words, **more):
        return self.bridge.run(TAILNET / "headscale", "-c", self.config, *words, **more)

    def key(self, *words):
        return json.loads(self.run("preauthkeys", "create", *words, "-o", "json").stdout)["key"]


class Node:
    """tailscaled in a member's namespace, joined."""

    def __init__(self, stack, member, headscale, name, key, folder, mode):
        self.member, self.folder = member, folder / name
        self.folder.mkdir()
        # Its own file of name servers, so that the machine's is left alone.
        resolver = pathlib.Path(f"/etc/netns/{member.space.name}")
        resolver.mkdir(parents=True)
        stack.callback(lambda: [(resolver / "resolv.conf").unlink(), resolver.rmdir()])
        (resolver / "resolv.conf").write_text("nameserver 100.100.100.100\n")
        stack.enter_context(started(["ip", "netns", "exec", member.space.name, "env", "TS_NO_LOGS_NO_SUPPORT=true", f"SSL_CERT_FILE={headscale.folder}/cert.pem", f"TS_DEBUG_FIREWALL_MODE={mode}",
                                     TAILNET / "tailscaled", f"--statedir={self.folder}", f"--socket={self.folder}/ts.sock", "--tun=tailscale0",
                                     "--port=41641", "--no-logs-no-support"], self.folder / "log"))
        machine.eventually(lambda: (self.folder / "ts.sock").exists(), 20, f"tailscaled: {self.folder}/log")
        self.run("up", "--login-server=https://10.77.0.1:8443", f"--auth-key={key}", f"--hostname={name}", "--accept-dns=false", "--timeout=60s")
        self.address = self.run("ip", "-4").stdout.strip()

    def run(self, *words, **more):
        return self.member.run(TAILNET / "tailscale", f"--socket={self.folder}/ts.sock", *words, **more)


@pytest.mark.timeout(240)
@pytest.mark.parametrize("mode", ["iptables", "nftables"])
def test_a_listener_on_a_tailscale_address(tmp_path_factory, mode):
    folder = tmp_path_factory.mktemp("ts")
    with contextlib.ExitStack() as stack:
        bridge, gateway, client, neighbour = stack.enter_context(underlay(2, 3, 4))
        headscale = Headscale(stack, bridge, folder)
        nodes = {}

        def join(name, member, key):
            nodes[name] = Node(stack, member, headscale, name, key, folder, mode)

        keys = headscale.key("--tags", "tag:gw"), headscale.key("-u", "1")
        threads = [threading.Thread(target=join, args=one) for one in (("gw", gateway, keys[0]), ("alice", client, keys[1]))]
        for one in threads:
            one.start()
        for one in threads:
            one.join(90)
        assert set(nodes) == {"gw", "alice"}, (folder / "hs.log").read_text()[-2000:]
        assert "ts-input" in gateway.run("nft", "list", "ruleset").stdout, "tailscaled's own rules are there"
        assert ("ts-input" in gateway.run("iptables-save", check=False).stdout) or mode == "nftables"
        closed_around_the_vpn(gateway, client, neighbour, nodes["gw"].address, nodes["alice"].address, "tailscale0", folder)
        what_tailscale_serves_is_named(gateway, nodes["gw"], folder)


def what_tailscale_serves_is_named(gateway, node, folder):
    """`tailscale serve` is named once, with the listener that it opens, and no more when it is undone."""
    expected = folder / "ports.yaml"
    gateway.run(CLAWQL, "ports", "declare", "-o", expected, check=False)  # 2 where somebody else's process hides its own

    def found():
        done = gateway.run(CLAWQL, "ports", "audit", "--expected", expected, "--json", check=False)
        # Others on this machine come and go; this namespace is its own.
        own = lambda subject: subject.startswith(("tailscale", "tcp 100.64.", "tcp [fd7a:115c:")) or f"[{gateway.space.name}]" in subject  # noqa: E731
        return sorted((one["id"], one["subject"]) for one in json.loads(done.stdout)["findings"] if own(one["subject"]))

    before = found()
    with gateway.listen("127.0.0.1", 8080):
        before = found()
        node.run("serve", "--bg", "--http=80", "http://127.0.0.1:8080")
        machine.eventually(lambda: ":80 " in gateway.run("ss", "-Hltn").stdout, what="tailscaled listens on port 80")
        new = [one for one in found() if one not in before]
        assert new.count(("ports.tailscale-serve", "tailscale serve tcp:80 -> /=http://127.0.0.1:8080")) == 1, new
        assert {one for one, _ in new} <= {"ports.tailscale-serve", "ports.unexpected", "ports.weak-host"}, new
        node.run("serve", "reset")
        machine.eventually(lambda: ":80 " not in gateway.run("ss", "-Hltn").stdout, what="tailscaled has let go of port 80")
        assert found() == before
