"""A client that closes its connection while its answer is awaited: 2026-07-28 calls are cancelled at once, older ones
run on (docs/protocol-versions.md)."""
import json
import socket
import struct

import pytest

from support import http, machine, mcp
from support.gateway import Gateway, plain_server

SECONDS = 4
CALL = {"name": "plain__slow", "arguments": {"seconds": SECONDS, "text": "late"}}
META = {"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}}


@pytest.fixture(scope="module")
def served():
    with machine.own_namespace():
        one = Gateway(mcpServers={"plain": plain_server()})
        try:
            one.start()
            with one.client() as client:
                machine.eventually(lambda: "plain__slow" in {tool["name"] for tool in client.tools()}, 20, "the server lists its tools")
                tcp = client.session
            with one.client(where=one.socket) as client:
                one.sessions = {"tcp": tcp, "unix": client.session}
            yield one
        finally:
            one.stop()


def where_is(one, name):
    return {"tcp": one.port, "unix": one.socket}[name]


def request(session=None):
    """Without a session: of 2026-07-28."""
    modern = session is None
    fields = {"Content-Type": "application/json", "Accept": mcp.ACCEPT}
    if modern:
        fields.update({"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/call", "Mcp-Name": "plain__slow"})
    else:
        fields["Mcp-Session-Id"] = session
    params = {**CALL, "_meta": META} if modern else CALL
    return http.request_bytes("POST", "/mcp", fields, mcp.dumps({"jsonrpc": "2.0", "id": "late", "method": "tools/call", "params": params}))


def in_flight(one):
    return one.metrics()["clawql_requests_in_flight"]


def half_close(connection):
    connection.socket.shutdown(socket.SHUT_WR)


def close(connection):
    connection.close()


def reset(connection):
    connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


@pytest.mark.parametrize("waits", [False, True], ids=["read", "not read, because enough waits"])
@pytest.mark.parametrize("leave", [half_close, close, reset])
@pytest.mark.parametrize("where", ["tcp", "unix"])
def test_a_call_of_2026_07_28_is_cancelled_at_once(served, where, leave, waits):
    machine.eventually(lambda: in_flight(served) == 0, 2 * SECONDS, "nothing is in flight")
    before = served.refusals("call.cancelled")
    connection = http.Connection(where_is(served, where))
    connection.send(request())
    machine.eventually(lambda: in_flight(served) == 1, 5, "the call is in flight")
    if waits:
        connection.send(request() * 60)
    leave(connection)
    machine.eventually(lambda: in_flight(served) == 0, SECONDS / 2, "the call is cancelled long before its answer")
    assert served.refusals("call.cancelled") >= before + 1
    connection.close()


@pytest.mark.parametrize("where", ["tcp", "unix"])
def test_an_older_call_of_a_half_closed_client_is_answered(served, where):
    before = served.refusals("call.cancelled")
    with http.Connection(where_is(served, where)) as connection:
        connection.send(request(served.sessions[where]))
        half_close(connection)
        answer = connection.response()
        # It took longer than half a second, so it is an event stream.
        message = json.loads(answer.events()[-1][2])
        assert answer.status == 200 and mcp.text_of(message["result"]) == "late"
        assert connection.closed(), "nothing more can come, so it ends"
    assert served.refusals("call.cancelled") == before


@pytest.mark.parametrize("leave", [close, reset])
def test_an_older_call_of_a_client_that_left_runs_on(served, leave):
    machine.eventually(lambda: in_flight(served) == 0, 2 * SECONDS, "nothing is in flight")
    before, dropped = served.refusals("call.cancelled"), served.metrics()["clawql_answers_dropped_total"]
    connection = http.Connection(served.socket)
    connection.send(request(served.sessions["unix"]))
    machine.eventually(lambda: in_flight(served) == 1, 5, "the call is in flight")
    leave(connection)
    machine.eventually(lambda: served.metrics()["clawql_answers_dropped_total"] == dropped + 1, 2 * SECONDS, "its answer came, for nobody")
    assert served.refusals("call.cancelled") == before
