"""SIGKILL to each program, under load, and to all at once: sessions survive the door, nothing is left running."""
import signal
import threading
import time

import pytest

from support import http, machine, mcp
from support.gateway import plain_server


def started(gateway, **config):
    one = gateway(mcpServers={"plain": plain_server()}, **config)
    with one.client() as client:
        machine.eventually(lambda: "plain__echo" in [tool["name"] for tool in client.tools()], 10)
    return one


class Load:
    """Clients that call without pause until told to stop; a lost connection is allowed, a wrong answer is not."""

    def __init__(self, one, clients=8):
        self.stop = threading.Event()
        self.wrong, self.answered, self.lost = [], 0, 0
        self.threads = [threading.Thread(target=self._run, args=(one, n), daemon=True) for n in range(clients)]
        for thread in self.threads:
            thread.start()

    def _run(self, one, number):
        client, count = None, 0
        while not self.stop.is_set():
            count += 1
            text = f"{number}-{count}"
            try:
                client = client or one.client()
                if mcp.text_of(client.call("plain__echo", {"text": text})) != text:
                    self.wrong.append(text)
                self.answered += 1
            except (OSError, EOFError, AssertionError, mcp.RpcError):  # no connection, 502, 503, or an answer cut short
                self.lost += 1

    def end(self):
        self.stop.set()
        for thread in self.threads:
            thread.join(30)
        assert not self.wrong


def test_the_door_killed_under_load_loses_no_http_session(gateway):
    one = started(gateway)
    load = Load(one)
    with one.client() as client:
        for _ in range(3):
            old = one.door
            old.kill()
            machine.eventually(lambda: not old.alive, 5)
            machine.eventually(one._ready, 5, "a new door serves")
            # The same session, on a new connection.
            assert mcp.text_of(client.call("plain__echo", {"text": "same session"})) == "same session"
    answered = load.answered
    machine.eventually(lambda: load.answered > answered + 20, 10, "the load goes on")
    load.end()
    assert sum(record.get("event") == "door.crash" for record in one.log_records()) == 3


def test_a_line_connection_ends_with_the_door_and_a_new_one_works(gateway):
    one = started(gateway)
    with one.line_client() as client:
        one.door.kill()
        with pytest.raises((EOFError, ConnectionError)):
            client.request("ping")
    machine.eventually(one._ready, 5)
    with one.line_client() as client:
        assert client.request("ping") == {}


def test_the_engine_killed_answers_502_or_503_then_404_for_old_sessions(gateway):
    one = started(gateway)
    with one.client() as client:
        waiting = http.Connection(one.port)
        body = mcp.dumps({"jsonrpc": "2.0", "id": 5, "method": "tools/call", "params": {"name": "plain__slow", "arguments": {"seconds": 60}}})
        waiting.send(http.request_bytes("POST", "/mcp", client.headers(), body))
        one.audit_with("slow")  # its intent is written before it is sent
        old_servers = [p for p in machine.Namespace().processes() if "plain.py" in " ".join(p.command)]
        one.engine.kill()
        answer = waiting.response()
        assert answer.status == 502
        machine.eventually(one._ready, 10, "a new engine serves")
        answer = client.post(mcp.dumps({"jsonrpc": "2.0", "id": 6, "method": "ping"}))
        assert answer.status == 404 and answer.json()["error"]["code"] == -32001
        machine.eventually(lambda: not any(p.alive for p in old_servers), 10, "its servers were ended")
    with one.client() as client:
        machine.eventually(lambda: "plain__echo" in [tool["name"] for tool in client.tools()], 10)
        assert mcp.text_of(client.call("plain__echo", {"text": "new"})) == "new"


def with_a_daemon(one):
    """A grandchild of a server that ignores SIGTERM and has a session of its own."""
    with one.client() as client:
        client.call("plain__fork")
    assert len([p for p in machine.Namespace().processes() if "plain.py" in " ".join(p.command) and p.name.startswith("python")]) >= 2


def test_the_supervisor_killed_leaves_nothing_running(gateway, namespace):
    one = started(gateway)
    with_a_daemon(one)
    load = Load(one, 4)
    one.kill()
    namespace.wait_empty(10)
    load.end()


def test_all_three_killed_together_leave_nothing_running(gateway, namespace):
    one = started(gateway)
    with_a_daemon(one)
    for process in (one.known, one.door, one.engine):
        process.kill()
    one.process.wait()
    namespace.wait_empty(10)


def test_the_launcher_killed_leaves_no_server_and_the_server_is_started_again(gateway, namespace):
    one = started(gateway)
    with_a_daemon(one)
    old = [p for p in namespace.processes() if "plain.py" in " ".join(p.command)]
    one.child("clawql-run").kill()
    machine.eventually(lambda: not any(p.alive for p in old), 10, "the server and its grandchild are gone")
    with one.client() as client:
        machine.eventually(lambda: "plain__echo" in [tool["name"] for tool in client.tools()], 15)


def test_sigterm_ends_all_after_the_call_in_flight_was_answered(gateway, namespace):
    one = started(gateway)
    with_a_daemon(one)
    with one.client() as client:
        body = mcp.dumps({"jsonrpc": "2.0", "id": 5, "method": "tools/call", "params": {"name": "plain__slow", "arguments": {"text": "late", "seconds": 1}}})
        client.connection.send(http.request_bytes("POST", "/mcp", client.headers(), body))
        time.sleep(0.2)
        one.process.send_signal(signal.SIGTERM)
        answer = client.connection.response()
        assert answer.status == 200 and b"late" in answer.body
    assert one.process.wait(15) == 0
    namespace.wait_empty(5)


def test_a_restart_after_sigkill_takes_the_same_socket_and_port(gateway, namespace):
    one = started(gateway)
    one.kill()
    namespace.wait_empty(10)
    one.start()
    with one.line_client() as client:
        assert client.request("ping") == {}
