"""The drift game: a machine changes in more than thirty ways; the audit names each once, by the right id, and is silent after
each is undone."""
import contextlib
import json
import pathlib
import shutil
import subprocess

import pytest

from exposure.ports.host import Host, Opened
from support import machine

# What the machine holds before the game.
BASE = {
    "web": dict(kind="tcp", port=8080),
    "six": dict(kind="tcp", address="::", v6only=1, port=8090),
    "vpn": dict(kind="tcp", address="10.9.0.1", port=8443),
    "bound": dict(kind="tcp", address="10.9.0.1", port=8444, device="veth0"),
    "shared": dict(kind="tcp", port=8085, reuseport=1),
    "dns": dict(kind="udp", port=5353),
    "app": dict(kind="unix", path="/run/app.sock", mode="0660"),
    "log": dict(kind="unix-datagram", path="/run/log.sock", mode="0600"),
    "blue": dict(kind="tcp", address="10.9.0.2", port=9090, space="blue"),
}


class Game(Host):
    def __init__(self, folder):
        super().__init__(folder)
        for name in ("docker-proxy", "cloudflared", "other"):
            self.run(f"cp {pathlib.Path(machine.PYTHON).resolve()} /run/bin/{name}")
        self.held = {name: self.open(**want) for name, want in BASE.items()}

    @contextlib.contextmanager
    def without(self, name):
        """The machine while one of its listeners is stopped."""
        self.held.pop(name).close()
        yield
        self.held[name] = self.open(**BASE[name])

    @contextlib.contextmanager
    def instead(self, name, **changes):
        with self.without(name), self.open(**{**BASE[name], **changes}):
            yield

    @contextlib.contextmanager
    def command(self, do, undo):
        self.run(do)
        yield
        self.run(undo)

    def finish(self):
        for opened in self.held.values():
            opened.close()
        self.stop()


@pytest.fixture(scope="module")
def game(tmp_path_factory):
    one = Game(tmp_path_factory.mktemp("game"))
    one.declare()
    yield one
    one.finish()


def nft(rule, hook="prerouting", kind="nat"):
    return (f"nft 'table ip t {{ chain c {{ type {kind} hook {hook} priority 0; {rule}; }}; }}'", "nft delete table ip t")


def file(path):
    return BASE[path]["path"]


@contextlib.contextmanager
def sshd(game, *client, command="echo ready; cat"):
    """A session of the real sshd, with what the client forwards."""
    folder = game.folder / "ssh"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
    shutil.copy(folder / "user.pub", folder / "authorized")
    game.run("mkdir -p /run/sshd && chmod 755 /run/sshd")
    server = Opened(game.inside("sh", "-c", f"/usr/sbin/sshd -D -e -f /dev/null -h {folder}/host -p 2222 -o ListenAddress=127.0.0.1 "
                                f"-o AuthorizedKeysFile={folder}/authorized -o StrictModes=no -o PidFile=none -o UsePAM=no "
                                f"-o PermitRootLogin=yes 2>{folder}/log & echo ready; cat; kill $!; wait"))
    options = ["-p", "2222", "-i", str(folder / "user"), "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
               "-o", "ExitOnForwardFailure=yes", "-o", "LogLevel=ERROR", "root@127.0.0.1"]
    machine.eventually(lambda: "2222" in game.run("ss -Hltn").stdout, what="sshd listens")
    try:
        with Opened(game.inside("ssh", *client, *options, *([command] if command else [])), "ready" if command else None) as opened:
            yield
            if not command:  # nobody closes the other end of the connection
                machine.children(opened.process.pid)[0].kill()
    finally:
        server.close()


@contextlib.contextmanager
def remote_forward(game):
    with sshd(game, "-R", "127.0.0.1:7001:127.0.0.1:8080"):
        yield


@contextlib.contextmanager
def forward_from_outside(game):
    """A client elsewhere that reaches a loopback listener through this host's sshd: no listener here."""
    with sshd(game, "-W", "127.0.0.1:8080", command=None):
        machine.eventually(lambda: "127.0.0.1:8080" in game.run("ss -Htn state established dport = 8080").stdout)
        yield


@contextlib.contextmanager
def local_forward(game):
    with sshd(game, "-L", "127.0.0.1:7002:127.0.0.1:8080"):
        yield


@contextlib.contextmanager
def served(game, config):
    body = game.folder / "serve.json"
    body.write_text(json.dumps(config))
    with game.open(kind="unix", path="/run/tailscaled.sock", comm="tailscaled", answer=body):
        yield


@contextlib.contextmanager
def new_space(game):
    game.run("ip netns add green && ip -n green link set lo up")
    with game.open(kind="tcp", port=9104, space="green"):
        yield
    game.run("ip netns del green")


@contextlib.contextmanager
def lost_space(game):
    """The namespace `blue` and what listens in it go; the link to it goes with it, and comes back."""
    with game.without("blue"), game.without("vpn"), game.without("bound"):
        game.run("ip netns del blue")
        yield
        game.run("ip netns add blue && ip link add veth0 type veth peer name peer0 netns blue")
        game.run("ip addr add 10.9.0.1/24 dev veth0 && ip link set veth0 up")
        game.run("ip -n blue link set lo up && ip -n blue addr add 10.9.0.2/24 dev peer0 && ip -n blue link set peer0 up")


@contextlib.contextmanager
def moved_file(game):
    game.run("mv /run/app.sock /run/kept && touch /run/app.sock")
    yield
    game.run("mv /run/kept /run/app.sock")


@contextlib.contextmanager
def second_link(game):
    game.run("ip link add veth1 type veth peer name veth2 && ip link set veth1 up")
    yield
    game.run("ip link del veth1")


@contextlib.contextmanager
def docker_both(game):
    with game.command(*DOCKER), game.open(program="/run/bin/docker-proxy", kind="tcp", address="0.0.0.0", port=8000):
        yield


DOCKER = ("iptables-nft -t nat -N DOCKER; iptables-nft -t nat -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER; "
          "iptables-nft -t nat -A DOCKER ! -i docker0 -p tcp -m tcp --dport 8000 -j DNAT --to-destination 172.17.0.2:80",
          "iptables-nft -t nat -F; iptables-nft -t nat -X DOCKER; nft flush ruleset")
SERVE = {"TCP": {"443": {"HTTPS": True}}, "Web": {"gw.tail.test:443": {"Handlers": {"/": {"Proxy": "http://127.0.0.1:8080"}}}}}
U, W, O, M = "ports.unexpected", "ports.widened", "ports.owner-changed", "ports.missing"

# name: (id, subject or None, how). Each is a context manager made from the game.
CHANGES = {
    "second listener": (U, "tcp 127.0.0.1:9001", lambda g: g.open(kind="tcp", port=9001)),
    "any IPv4": (U, "tcp 0.0.0.0:9002", lambda g: g.open(kind="tcp", address="0.0.0.0", port=9002)),
    "any IPv6 with IPv4": (U, "tcp [::]:9003", lambda g: g.open(kind="tcp", address="::", v6only=0, port=9003)),
    "any IPv6 alone": (U, "tcp [::]:9004 (v6only)", lambda g: g.open(kind="tcp", address="::", port=9004)),
    "mapped any": (U, "tcp 0.0.0.0:9005", lambda g: g.open(kind="tcp", address="::ffff:0.0.0.0", v6only=0, port=9005)),
    "listen without bind": (U, None, lambda g: g.open(kind="tcp", bind=0)),
    "listen without bind on IPv6": (U, None, lambda g: g.open(kind="tcp", address="::", v6only=0, bind=0)),
    "another loopback address": (U, "tcp 127.0.0.2:8080", lambda g: g.open(kind="tcp", address="127.0.0.2", port=8080)),
    "a new device": (U, "tcp 127.0.0.1:9006 on lo", lambda g: g.open(kind="tcp", port=9006, device="lo")),
    "MPTCP": (U, "mptcp 127.0.0.1:9007", lambda g: g.open(kind="mptcp", port=9007)),
    "UDP": (U, "udp 0.0.0.0:9008", lambda g: g.open(kind="udp", address="0.0.0.0", port=9008)),
    "UDP-Lite": (U, "udplite 127.0.0.1:9009", lambda g: g.open(kind="udplite", port=9009)),
    "rebound to any": (W, "tcp 127.0.0.1:8080", lambda g: g.instead("web", address="0.0.0.0")),
    "rebound to any IPv6": (W, "tcp 127.0.0.1:8080", lambda g: g.instead("web", address="::", v6only=0)),
    "rebound to mapped any": (W, "tcp 127.0.0.1:8080", lambda g: g.instead("web", address="::ffff:0.0.0.0", v6only=0)),
    "rebound to MPTCP": (W, "tcp 127.0.0.1:8080", lambda g: g.instead("web", kind="mptcp")),
    "UDP rebound to any": (W, "udp 127.0.0.1:5353", lambda g: g.instead("dns", address="0.0.0.0")),
    "v6only dropped": (W, "tcp [::]:8090 (v6only)", lambda g: g.instead("six", v6only=0)),
    "device dropped": (W, "tcp 10.9.0.1:8444 on veth0", lambda g: g.instead("bound", device="")),
    "narrower": (M, "tcp [::]:8090 (v6only)", lambda g: g.instead("six", address="::1")),
    "TCP stopped": (M, "tcp 127.0.0.1:8080", lambda g: g.without("web")),
    "UDP stopped": (M, "udp 127.0.0.1:5353", lambda g: g.without("dns")),
    "Unix socket stopped": (M, "unix /run/app.sock", lambda g: g.without("app")),
    "stopped in a namespace": (M, "[blue] tcp 10.9.0.2:9090", lambda g: g.without("blue")),
    "another user": (O, "tcp 127.0.0.1:8080", lambda g: g.instead("web", uid=65534)),
    "another program": (O, "tcp 127.0.0.1:8080", lambda g: g.instead("web", program="/run/bin/other")),
    "a second program beside it": (O, "tcp 127.0.0.1:8085",
                                   lambda g: g.open(program="/run/bin/other", **BASE["shared"])),
    "abstract socket": ("ports.abstract-socket", "unix @hidden", lambda g: g.open(kind="unix", path="@hidden")),
    "abstract datagrams": ("ports.abstract-socket", "unix-datagram @hidden2", lambda g: g.open(kind="unix-datagram", path="@hidden2")),
    "new Unix socket": (U, "unix /run/new.sock", lambda g: g.open(kind="unix", path="/run/new.sock")),
    "loosened mode": ("ports.socket-mode", "unix /run/app.sock",
                      lambda g: g.command("chmod 0666 /run/app.sock", "chmod 0660 /run/app.sock")),
    "loosened datagram mode": ("ports.socket-mode", "unix-datagram /run/log.sock",
                               lambda g: g.command("chmod 0622 /run/log.sock", "chmod 0600 /run/log.sock")),
    "another group": ("ports.socket-group", "unix /run/app.sock",
                      lambda g: g.command("chgrp nogroup /run/app.sock", "chgrp root /run/app.sock")),
    "another file owner": ("ports.socket-group", "unix /run/app.sock",
                           lambda g: g.command("chown nobody /run/app.sock", "chown root /run/app.sock")),
    "replaced file": ("ports.socket-replaced", "unix /run/app.sock", moved_file),
    "nft DNAT": ("ports.dnat", "nft ip t c: tcp dport 80 -> 127.0.0.1:8080", lambda g: g.command(*nft("tcp dport 80 dnat to 127.0.0.1:8080"))),
    "nft stateless translation": ("ports.dnat", "nft ip t c: -> daddr set 10.9.0.2", lambda g: g.command(*nft("ip daddr set 10.9.0.2", kind="filter"))),
    "nft REDIRECT": ("ports.redirect", "nft ip t c: tcp dport 80 -> :8080", lambda g: g.command(*nft("tcp dport 80 redirect to :8080"))),
    "nft TPROXY": ("ports.transparent-proxy", "nft ip t c: tcp dport 80 -> 127.0.0.1:8080",
                   lambda g: g.command(*nft("tcp dport 80 tproxy to 127.0.0.1:8080", kind="filter"))),
    "iptables DNAT": ("ports.dnat", "iptables nat PREROUTING: -p tcp -m tcp --dport 80 -j DNAT --to-destination 10.9.0.2:80", lambda g: g.command(
        "iptables-nft -t nat -A PREROUTING -p tcp --dport 80 -j DNAT --to-destination 10.9.0.2:80", "nft flush ruleset")),
    "ip6tables REDIRECT": ("ports.redirect", "ip6tables nat PREROUTING: -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 8080", lambda g: g.command(
        "ip6tables-nft -t nat -A PREROUTING -p tcp --dport 80 -j REDIRECT --to-ports 8080", "nft flush ruleset")),
    "legacy iptables REDIRECT": ("ports.redirect", "iptables-legacy nat PREROUTING: -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 8080", lambda g: g.command(
        "iptables-legacy -t nat -A PREROUTING -p tcp --dport 80 -j REDIRECT --to-ports 8080", "iptables-legacy -t nat -F")),
    "rule in another namespace": ("ports.redirect", "[blue] nft ip t c: tcp dport 80 -> :9090", lambda g: g.command(
        "ip netns exec blue nft 'table ip t { chain c { type nat hook prerouting priority 0; tcp dport 80 redirect to :9090; }; }'",
        "ip netns exec blue nft delete table ip t")),
    "published container port": ("ports.docker-published", "docker tcp *:8000", lambda g: g.command(*DOCKER)),
    "docker-proxy alone": ("ports.docker-published", "docker tcp *:8001",
                           lambda g: g.open(program="/run/bin/docker-proxy", kind="tcp", address="0.0.0.0", port=8001)),
    "rule and docker-proxy": ("ports.docker-published", "docker tcp *:8000", docker_both),
    "listener in a namespace": (U, "[blue] tcp 127.0.0.1:9101", lambda g: g.open(kind="tcp", port=9101, space="blue")),
    "new namespace": (U, "[green] tcp 127.0.0.1:9104", new_space),
    "namespace without a name": (U, "[exe:/usr/bin/python3.11] tcp 127.0.0.1:9102",
                                 lambda g: g.open(kind="tcp", port=9102, prefix=("unshare", "-n"))),
    "namespace of one thread": (U, "[exe:/usr/bin/python3.11] tcp 127.0.0.1:9103",
                                lambda g: g.open(kind="tcp", port=9103, thread="unshare")),
    "ssh -R": ("ports.ssh-forward", "tcp 127.0.0.1:7001", remote_forward),
    "ssh -L": ("ports.ssh-forward", "tcp 127.0.0.1:7002", local_forward),
    "ssh -W from outside": ("ports.ssh-forward", "ssh session -> tcp 127.0.0.1:8080", forward_from_outside),
    "route_localnet": ("ports.route-localnet", "sysctl net.ipv4.conf.veth0.route_localnet", lambda g: g.command(
        "echo 1 >/proc/sys/net/ipv4/conf/veth0/route_localnet", "echo 0 >/proc/sys/net/ipv4/conf/veth0/route_localnet")),
    "a second link": ("ports.weak-host", "tcp 10.9.0.1:8443", second_link),
    "tailscale serve": ("ports.tailscale-serve", "tailscale serve tcp:443 -> /=http://127.0.0.1:8080", lambda g: served(g, SERVE)),
    "tailscale funnel": ("ports.tailscale-funnel", "tailscale funnel tcp:443 -> /=http://127.0.0.1:8080",
                         lambda g: served(g, {**SERVE, "AllowFunnel": {"gw.tail.test:443": True}})),
    "cloudflared": ("ports.cloudflared-no-config", "cloudflared /run/bin/cloudflared",
                    lambda g: g.open(program="/run/bin/cloudflared", kind="sleep", comm="cloudflared", words=("tunnel", "run"))),
    "hidden owner": ("ports.owner-unknown", "tcp 127.0.0.1:8080", lambda g: g.instead("web", pid=False)),
    "hidden owner of a new listener": ("ports.owner-unknown", "tcp 127.0.0.1:9105", lambda g: g.open(kind="tcp", port=9105, pid=False)),
}
# What comes with a change by its nature: the stand-ins' own sockets, sshd itself.
ALSO = {
    "tailscale serve": {(U, "unix /run/tailscaled.sock")},
    "tailscale funnel": {(U, "unix /run/tailscaled.sock")},
    "hidden owner of a new listener": {(U, "tcp 127.0.0.1:9105")},
    "ssh -R": {(U, "tcp 127.0.0.1:2222")},
    "ssh -W from outside": {(U, "tcp 127.0.0.1:2222")},
    "ssh -L": {(U, "tcp 127.0.0.1:2222")},
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_named_once_and_silence_returns(game, name):
    finding, subject, change = CHANGES[name]
    with change(game):
        status, found, report = game.audit()
        wanted = sorted(ALSO.get(name, set()) | {(finding, subject)}) if subject else None
        if wanted:
            assert sorted(found) == wanted, report["findings"]
        else:
            assert [one for one, _ in found] == [finding], report["findings"]
        assert status == (2 if finding == "ports.owner-unknown" else 1)
    status, found, report = game.audit()
    assert (status, found) == (0, []), report["findings"]


def test_there_are_more_than_thirty_changes():
    assert len(CHANGES) > 30


def test_a_namespace_that_went_is_missed(game):
    with lost_space(game):
        status, found, _ = game.audit()
        assert status == 1
        assert ("ports.namespace-missing", "[blue]") in found
    assert game.audit()[:2] == (0, [])
