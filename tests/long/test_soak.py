"""Twenty minutes of everything at once (calls, sessions that come and go, refusals, vanishing clients, restarts): afterwards
the programs hold no more descriptors and hardly more memory than after the first minute."""
import os
import random
import threading

import pytest

from support import http, machine, mcp
from support.gateway import plain_server

SECONDS = int(os.environ.get("CLAWQL_SOAK_SECONDS", "1200"))


def visit(one, rng):
    """One client's short life."""
    kind = rng.random()
    if kind < 0.1:
        assert http.request(one.port, "GET", "/healthz", host="evil.example").status == 403
        return
    with one.client(where=rng.choice([one.port, one.socket])) as client:
        for _ in range(rng.randint(1, 20)):
            text = str(rng.random())
            assert mcp.text_of(client.call("plain__echo", {"text": text})) == text
        if kind < 0.2:  # vanishes in the middle of a call
            body = mcp.dumps({"jsonrpc": "2.0", "id": 99, "method": "tools/call", "params": {"name": "plain__slow", "arguments": {"seconds": 0.2}}})
            client.connection.send(http.request_bytes("POST", "/mcp", client.headers(), body))
        elif kind < 0.9:
            client.delete()


@pytest.mark.timeout(SECONDS + 300)
def test_nothing_grows(gateway):
    one = gateway(mcpServers={"plain": plain_server()}, limits={"sessionIdleSeconds": 20})
    with one.client() as client:
        machine.eventually(lambda: "plain__echo" in [tool["name"] for tool in client.tools()], 10)
    stop, problems = threading.Event(), []

    def work(seed):
        rng = random.Random(seed)
        while not stop.is_set():
            try:
                visit(one, rng)
            except Exception as problem:  # collected; any one fails the test
                problems.append(repr(problem))
                return

    threads = [threading.Thread(target=work, args=(seed,), daemon=True) for seed in range(8)]
    for thread in threads:
        thread.start()
    programs = (one.known, one.door, one.engine)
    stop.wait(min(60, SECONDS / 4))
    early = {p.pid: p.resident_bytes() for p in programs}
    stop.wait(SECONDS - min(60, SECONDS / 4))
    stop.set()
    for thread in threads:
        thread.join(30)
    assert not problems, problems[:3]
    late = {p.pid: p.resident_bytes() for p in programs}
    for process in programs:
        assert late[process.pid] < early[process.pid] * 1.2 + (8 << 20), (process, early, late)
    machine.eventually(lambda: one.door.descriptors() < 60 and one.engine.descriptors() < 60, 40, "descriptors are given back")
