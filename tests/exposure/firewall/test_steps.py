"""Backends of several commands: after each single one nobody gets in whom neither the old nor the new rules let in, and a
change that was killed between two of them is finished, or taken back, by the next command."""
import contextlib
import json
import os
import pathlib
import shlex
import signal
import threading

import pytest

from support import machine
from .test_backends import CLAWQL, Service, rules_of, service, ufw  # noqa: F401
from .test_change import keepers
from .test_firewalld import Firewalld
from .test_generated import places

ENTRY = "  - {{protocol: tcp, address: '{address}', port: {port}, sources: ['{source}'], interfaces: [eth0]}}\n"


def declaration(path, *entries):
    """Each entry: (port, last part of the source)."""
    path.write_text("version: 1\nlisteners:\n" + "".join(
        ENTRY.format(address=address, port=port, source=net + str(last)) for port, last in entries
        for address, net in (("0.0.0.0", "10.66.0."), ("::", "fd66::"))))
    return path


PACKETS = [{"protocol": "tcp", "link": link, "source": source, "source_port": 40000, "to": "10.66.0.1" if "." in source else "fd66::1", "port": port}
           for link in ("eth0", "eth1") for port in (8080, 8081)
           for source in ("10.66.0.4", "10.66.0.5", "10.66.0.6", "10.66.0.7", "10.67.0.5", "fd66::4", "fd66::5", "fd66::6", "fd66::7")]


def who(proof_text):
    """Which of the packets get in, and where to."""
    proof = json.loads(proof_text)
    return {(index, *place) for index, packet in enumerate(PACKETS) for place in places(proof, packet, "set")}


class Bench:
    """A host with one backend. `run` runs a command where that backend's tool works."""

    def __init__(self, folder, backend, run, tools):
        self.folder, self.backend, self.run, self.tools = folder, backend, run, tools
        self.both = declaration(folder / "both.yaml", (8080, 5), (8081, 5))  # whom it names does not matter to the set
        self.old = declaration(folder / "old.yaml", (8080, 5))
        self.new = declaration(folder / "new.yaml", (8080, 6), (8081, 5))
        self.another = declaration(folder / "another.yaml", (8080, 6))
        self.state = folder / "state"

    def clawql(self, *words, status=(0,)):
        done = self.run(CLAWQL, "firewall", *words, check=False)
        assert done.returncode in status, f"{done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def verify(self):
        return self.clawql("verify", "--expected", self.both, "--json", "--state", self.state, status=(0, 1))

    def rendered(self, expected=None):
        what = ["--expected", expected] if expected else ["--remove"]
        return self.clawql("render", "--backend", self.backend, *what)

    def step_by_step(self, script):
        """Runs a rendering; gives back the sets before it, after each command that changes something, and at the end."""
        bin, steps = self.folder / "bin", self.folder / "steps"
        for one in (bin, steps):
            one.mkdir(exist_ok=True)
        for old in steps.iterdir():
            old.unlink()
        for tool in self.tools:
            (bin / tool).write_text(
                # Two zones of firewalld instead of nine: each command for each takes its time.
                "#!/bin/sh\n[ \"$*\" != --get-zones ] || { echo public work; exit; }\n"
                f"/usr/bin/env PATH=/usr/sbin:/usr/bin:/bin {tool} \"$@\"\nstatus=$?\n"
                "case \" $* \" in *' -C '*|*' -S '*|*' status '*|*' --list-'*|*' --get-'*) exit $status ;; esac\n"
                f"{CLAWQL} firewall verify --expected {self.both} --json >{steps}/$(ls {steps} | wc -l)\nexit $status\n")
            (bin / tool).chmod(0o755)
        before = who(self.verify())
        (self.folder / "script").write_text(script)
        done = self.run("env", f"PATH={bin}:/usr/sbin:/usr/bin:/bin", "sh", self.folder / "script", check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        between = [who((steps / str(number)).read_text()) for number in range(len(list(steps.iterdir())))]
        return before, between, who(self.verify())

    def interrupt(self, expected, calls):
        """`apply`, of which everything is killed when it is about to run its command number `calls` + 1."""
        mark, count = self.folder / "mark", self.folder / "count"
        mark.unlink(missing_ok=True)
        count.write_text("0")
        binds = []
        for real in {os.path.realpath(f"/usr/sbin/{tool}") if os.path.exists(f"/usr/sbin/{tool}") else os.path.realpath(f"/usr/bin/{tool}")
                     for tool in self.tools}:
            copy, wrapper = self.folder / f"real-{os.path.basename(real)}", self.folder / f"wrapped-{os.path.basename(real)}"
            copy.unlink(missing_ok=True)
            copy.write_bytes(pathlib.Path(real).read_bytes())
            wrapper.write_text("#!/bin/bash\ncase \" $* \" in *' -C '*|*' -S '*|*' status '*|*' --list-'*|*' --get-'*) ;; *)\n"
                               f"  n=$(<{count}); echo $((n + 1)) >{count}\n  [ $n -lt {calls} ] || {{ echo >{mark}; exec sleep 1000; }} ;;\nesac\n"
                               f"exec -a \"${{0##*/}}\" {copy} \"$@\"\n")
            copy.chmod(0o755)
            wrapper.chmod(0o755)
            binds.append(f"mount --bind {wrapper} {real}")
        line = " && ".join([*binds, "exec " + shlex.join([CLAWQL, "firewall", "apply", "--backend", self.backend, "--expected", str(expected),
                                                           "--state", str(self.state), "--yes"])])
        with contextlib.ExitStack() as stack:
            pool = stack.enter_context(_background(lambda: self.run("unshare", "--mount", "sh", "-c", line, check=False)))
            machine.eventually(mark.exists, 60, "the change is halfway")
            while alive := keepers(self.state):
                for one in alive:
                    one.kill(signal.SIGKILL)
            pool.join(20)
        assert int(count.read_text()) == calls + 1


@contextlib.contextmanager
def _background(work):
    thread = threading.Thread(target=work)
    thread.start()
    yield thread
    thread.join(30)


def plain(lab_run, folder, backend):
    if backend == "docker":
        lab_run("sh", "-ec", "ip link add docker0 type bridge && ip address add 172.17.0.1/16 dev docker0 && ip link set docker0 up; "
                "echo 1 >/proc/sys/net/ipv4/ip_forward; echo 1 >/proc/sys/net/ipv6/conf/all/forwarding; "
                "iptables -t nat -A PREROUTING -p tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80; "
                "iptables -t nat -A PREROUTING -p tcp --dport 8081 -j DNAT --to-destination 172.17.0.2:81")
    tools = ("iptables", "iptables-restore", "ip6tables", "ip6tables-restore")
    return Bench(folder, backend, lab_run, tools)


@pytest.fixture(params=["iptables", "docker", "ufw", "firewalld"])
def bench(request, service, tmp_path):  # noqa: F811
    run = service.lab.host.run
    if request.param in ("iptables", "docker"):
        yield plain(run, tmp_path, request.param)
    elif request.param == "ufw":
        command = request.getfixturevalue("ufw")
        command("ufw", "default", "deny", "incoming")
        command("ufw", "--force", "enable")
        yield Bench(tmp_path, "ufw", command, ("ufw",))
    else:
        daemon = Firewalld(service, tmp_path)
        yield Bench(tmp_path, "firewalld", daemon.run, ("firewall-cmd",))
        daemon.close()


def no_wider(before, between, after):
    for number, one in enumerate(between):
        extra = one - before - after
        assert not extra, f"after command {number + 1} of {len(between)}: {[(PACKETS[index], *place) for index, *place in sorted(extra)]}"


@pytest.mark.timeout(300)
def test_after_each_command_nobody_gets_in_whom_neither_rules_let_in(bench):
    if bench.backend == "iptables":  # closed by default, so that the order of the commands shows
        for tool in ("iptables", "ip6tables"):
            bench.run("sh", "-ec", f"{tool} -A INPUT -i lo -j ACCEPT; {tool} -P INPUT DROP")
    states = []
    for script in (bench.rendered(bench.old), bench.rendered(bench.new), bench.rendered(bench.old), bench.rendered()):
        before, between, after = bench.step_by_step(script)
        assert len(between) > 1
        no_wider(before, between, after)
        states.append((before, after))
    assert states[0][1] != states[1][1] and states[0][1] == states[2][1], "the rules did change, and back"
    assert states[3][1] == states[0][0], "and removing them leads to what was"


@pytest.mark.timeout(300)
def test_a_change_that_was_killed_in_the_middle_is_finished_by_the_next_command(bench, service):  # noqa: F811
    state = ("--state", bench.state)
    bench.clawql("apply", "--backend", bench.backend, "--expected", bench.old, "--yes", *state)
    bench.clawql("confirm", *state)
    old, rules = who(bench.verify()), rules_of(service)
    for calls in (1,) if bench.backend == "firewalld" else (0, 1):
        bench.interrupt(bench.another, calls)
        assert "firewall.change-unfinished" in bench.verify()
        bench.clawql("remove", "--backend", "nftables", "--yes", *state)  # of any kind: it takes the change back
        assert who(bench.verify()) == old and "change-unfinished" not in bench.verify()
        assert sorted(rules_of(service).splitlines()) == sorted(rules.splitlines())
    bench.interrupt(bench.another, 1)
    bench.clawql("confirm", *state)
    new = who(bench.verify())
    assert new != old and "change-unfinished" not in bench.verify()
    bench.clawql("apply", "--backend", bench.backend, "--expected", bench.another, "--yes", *state)
    bench.clawql("confirm", *state)
    assert who(bench.verify()) == new, "it was whole"
