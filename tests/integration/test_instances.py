"""Several instances of one server, each behind its own launcher: what the supervisor does with them by itself. The engine is
one that the test plays (tests/support/engine); the door, the launchers and the servers are the real ones."""
import json
import pathlib
import shutil
import signal
import socket

import pytest

from support import machine
from support.gateway import Gateway, plain_server

PLAYED = machine.ROOT / "tests" / "support" / "engine" / "clawql-engine"


class Played:
    """One life of the played engine, as the test holds it."""

    def __init__(self, folder, one):
        path = str(folder / "libexec" / "engine.sock")
        self.socket = machine.eventually(lambda: self._connect(path), 20, f"the engine waits for orders\n{one.log()}")
        self.lines = self.socket.makefile("r")
        self.heard = []
        self.process = machine.Process(self.hear("hello")["pid"])

    @staticmethod
    def _connect(path):
        end = socket.socket(socket.AF_UNIX)
        end.settimeout(20)
        try:
            end.connect(path)
            return end
        except OSError:
            end.close()
            return None

    def order(self, **what):
        self.socket.sendall((json.dumps(what) + "\n").encode())

    def ask(self, what, instance, name="plain"):
        self.order(ask=what, name=name, instance=instance)

    def hear(self, said, **fields):
        """The next message of this kind, with these fields."""
        while True:
            what = json.loads(self.lines.readline())
            self.heard.append(what)
            if what["said"] == said and all(what[key] == value for key, value in fields.items()):
                return what

    def start_all(self, instances):
        for instance in instances:
            self.ask("server_start", instance)
            self.hear("server_started", instance=instance)


@pytest.fixture
def gateway_with_played_engine(namespace, tmp_path, monkeypatch):
    (tmp_path / "bin").mkdir()
    (tmp_path / "libexec").mkdir()
    shutil.copy(machine.program("clawql-api"), tmp_path / "bin")
    for name in ("clawql-door", "clawql-run"):
        (tmp_path / "libexec" / name).symlink_to(machine.program(name))
    shutil.copy(PLAYED, tmp_path / "libexec")
    monkeypatch.setattr(machine, "BUILD", tmp_path)
    one = Gateway(mcpServers={"plain": plain_server(isolation="session", maxInstances=5)}, limits={"drainSeconds": 2})
    one.spawn()
    one.meet = lambda: Played(tmp_path, one)
    yield one
    one.stop()


def servers(namespace):
    """Processes of servers, their grandchildren among them, and not the launchers."""
    return [p for p in namespace.processes() if "plain.py" in " ".join(p.command) and p.name != "clawql-run"]


def environment(process):
    try:
        return pathlib.Path(f"/proc/{process.pid}/environ").read_bytes()
    except OSError:  # it has ended
        return b""


def with_daemons(engine, namespace, instances):
    """Each instance gets a grandchild that ignores SIGTERM and has a session of its own."""
    for instance in instances:
        engine.order(tell=instance, line=json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "fork", "arguments": {}}}))
    return machine.eventually(lambda: (lambda all: all if len(all) >= 2 * len(instances) else None)(servers(namespace)), 20, "all have a grandchild")


def test_they_are_counted_and_one_too_many_is_refused(gateway_with_played_engine, namespace):
    engine = gateway_with_played_engine.meet()
    engine.hear("start")
    engine.start_all(range(0, 7))  # the shared one, one for the other era, and five
    engine.ask("server_start", 7)
    refused = engine.hear("server_exited", instance=7)
    assert refused["retry_ms"] == 0 and refused["how"].endswith("as many instances as its maxInstances allows: 5")
    machine.eventually(lambda: len(servers(namespace)) == 7, 10)


def test_one_that_dies_comes_back_and_the_others_do_not_notice(gateway_with_played_engine, namespace):
    engine = gateway_with_played_engine.meet()
    engine.hear("start")
    engine.start_all([1, 2])
    before = machine.eventually(lambda: (lambda all: all if len(all) == 2 else None)(servers(namespace)), 10)
    victim = before[0]
    victim.kill()
    died = engine.hear("server_exited")
    assert died["how"] == "killed by SIGKILL" and died["retry_ms"] == 250
    assert engine.hear("server_started")["instance"] == died["instance"]
    assert before[1].alive and not victim.alive


def test_the_engine_killed_ends_all_five_and_the_next_one_hears_nothing_of_them(gateway_with_played_engine, namespace):
    one = gateway_with_played_engine
    first = one.meet()
    first.hear("start")
    first.start_all([1, 2, 3, 4, 5])
    old = with_daemons(first, namespace, [1, 2, 3, 4, 5])
    first.process.kill()
    machine.eventually(lambda: not first.process.alive, 10, "the first engine is gone")
    second = one.meet()
    second.hear("start")
    second.start_all([1])
    machine.eventually(lambda: not any(p.alive for p in old), 15, "the instances of the first engine and their grandchildren are gone")
    second.ask("server_stop", 1)
    second.hear("server_exited", instance=1)
    assert [what["said"] for what in second.heard if "server" in what["said"]] == ["server_started", "server_exited"]
    machine.eventually(lambda: not servers(namespace), 10)
    # Each was ended by its launcher, and not as something that nobody knows.
    assert not [record for record in one.log_records() if record.get("event") == "orphan.killed"]


def test_a_reload_that_changes_the_entry_ends_them(gateway_with_played_engine, namespace):
    one = gateway_with_played_engine
    engine = one.meet()
    engine.hear("start")
    engine.start_all([0, 1, 2])
    old = machine.eventually(lambda: (lambda all: all if len(all) == 3 else None)(servers(namespace)), 10)
    one.config["mcpServers"]["plain"]["env"] = {"CHANGED": "1"}
    one.write_config()
    one.process.send_signal(signal.SIGHUP)
    settings = engine.hear("settings")
    assert settings["servers"][0]["isolation"] == "session" and settings["servers"][0]["max_instances"] == 5
    ends = sorted(engine.hear("server_exited")["instance"] for _ in range(2))
    assert ends == [1, 2]
    assert sum(p.alive for p in old) == 1, "the shared one is the engine's to restart"
    engine.start_all([3])
    machine.eventually(lambda: any(b"CHANGED=1" in environment(p) for p in servers(namespace)), 10, "the new one has the new entry")


def test_sigterm_ends_all_of_them(gateway_with_played_engine, namespace):
    one = gateway_with_played_engine
    engine = one.meet()
    engine.hear("start")
    engine.start_all([1, 2, 3, 4, 5])
    with_daemons(engine, namespace, [1, 2, 3, 4, 5])
    one.process.send_signal(signal.SIGTERM)
    assert one.process.wait(20) == 0
    namespace.wait_empty(5)


def test_the_supervisor_killed_leaves_none_of_them(gateway_with_played_engine, namespace):
    one = gateway_with_played_engine
    engine = one.meet()
    engine.hear("start")
    engine.start_all([1, 2, 3, 4, 5])
    with_daemons(engine, namespace, [1, 2, 3, 4, 5])
    one.kill()
    namespace.wait_empty(10)
