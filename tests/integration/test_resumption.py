"""A client of the handshake era whose connection ends in the middle of a call: with Last-Event-ID it hears the rest."""
import json

import pytest

from support import http, machine, mcp
from support.gateway import Gateway, plain_server


@pytest.fixture(scope="module", params=[1, 2], ids=["one shard", "two shards"])
def served(request):
    with machine.own_namespace():
        one = Gateway(threads={"engine": request.param, "door": request.param}, mcpServers={"plain": plain_server()}, limits={"eventStreamSeconds": 1})
        try:
            one.start()
            yield one
        finally:
            one.stop()


@pytest.fixture
def client(served):
    with served.client() as one:
        machine.eventually(lambda: "plain__slow" in {tool["name"] for tool in one.tools()}, 20, "the server lists its tools")
        yield one


def call(client, ident, name, **arguments):
    body = mcp.dumps({"jsonrpc": "2.0", "id": ident, "method": "tools/call", "params": {"name": f"plain__{name}", "arguments": arguments, "_meta": {"progressToken": ident}}})
    return http.request_bytes("POST", "/mcp", client.headers(), body)


def events_until(connection, wanted):
    """All blocks of an event stream up to and with the one that `wanted` names: (id, data)."""
    text = b""
    while wanted not in text:
        piece = connection.chunk()
        if not piece:
            break
        text += piece
    blocks = [dict(line.split(": ", 1) for line in block.split("\n") if ": " in line) for block in text.decode().split("\n\n") if block]
    return [(block["id"], block.get("data", "")) for block in blocks if "id" in block]


def resume(client, last):
    fields = client.headers({"Content-Type": None, "Accept": "text/event-stream", "Last-Event-ID": last})
    return http.request(client.where, "GET", "/mcp", fields)


def test_a_slow_call_begins_with_an_event_to_come_back_with_and_ends_quietly(served, client):
    with http.Connection(served.port) as connection:
        connection.send(call(client, "late", "slow", seconds=3, text="at last"))
        head = connection.head()
        assert head.status == 200 and head.header("Content-Type").startswith("text/event-stream")
        events = events_until(connection, b"never")
    assert len(events) == 1 and events[0][1].strip() == "", "only the priming event, then the stream ends by itself"
    answer = resume(client, events[0][0])
    assert answer.status == 200
    messages = [json.loads(data) for _, _, data in answer.events()]
    assert [message["id"] for message in messages] == ["late"] and mcp.text_of(messages[0]["result"]) == "at last"


def test_what_was_missed_is_told_once_more_and_what_was_heard_is_not(served, client):
    with http.Connection(served.port) as connection:
        connection.send(call(client, "steps", "steps", steps=5))
        connection.head()
        events = events_until(connection, b'"progress":2')
    last = next(ident for ident, data in events if '"progress":2' in data)
    messages = [json.loads(data) for _, _, data in resume(client, last).events()]
    assert [message["params"]["progress"] for message in messages[:-1]] == [3, 4, 5]
    assert mcp.text_of(messages[-1]["result"]) == "5 steps"


def test_another_session_hears_nothing_of_it(served, client):
    with http.Connection(served.port) as connection:
        connection.send(call(client, "mine", "slow", seconds=1.2, text="mine"))
        connection.head()
        ident = events_until(connection, b"id: ")[0][0]
    with served.client() as other:
        fields = other.headers({"Content-Type": None, "Accept": "text/event-stream", "Last-Event-ID": ident})
        stream = mcp.EventStream(served.port, "/mcp", fields, "localhost")
        assert resume(client, ident).events(), "its own session does"
        assert stream.events == []
        stream.close()


def test_an_older_revision_gets_no_event_without_data(served):
    with served.client(version="2025-06-18") as old:
        machine.eventually(lambda: "plain__steps" in {tool["name"] for tool in old.tools()}, 20)
        answer = http.request(served.port, "POST", "/mcp", old.headers(), mcp.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {
            "name": "plain__steps", "arguments": {"steps": 2}, "_meta": {"progressToken": 1}}}))
        assert b"retry" not in answer.body and len(answer.events()) == 3
        assert all(ident for _, ident, _ in answer.events())
