"""2026-07-28 beside the handshake era on the same endpoint and socket: who is of which era, what is refused and how it is
counted."""
import itertools
import json

import pytest

from support import http, machine, mcp
from support.gateway import Gateway, plain_server

ECHO = {"name": "plain__echo", "arguments": {"text": "hello"}}
CLAIM = {"io.modelcontextprotocol/protocolVersion": mcp.MODERN, "io.modelcontextprotocol/clientCapabilities": {}}


@pytest.fixture(scope="module", params=[1, 2], ids=["one shard", "two shards"])
def served(request):
    with machine.own_namespace():
        one = Gateway(threads={"engine": request.param}, mcpServers={"plain": plain_server()}, limits={"listenStreams": 3})
        try:
            one.start()
            client = mcp.ModernClient(one.port)
            for _ in range(4):  # whichever shard is asked
                machine.eventually(lambda: "plain__echo" in {tool["name"] for tool in client.request("tools/list")["tools"]}, 20, "the server lists its tools")
            yield one
        finally:
            one.stop()


def error_of(answer):
    return answer.status, answer.json()["error"]["code"]


def test_a_call_needs_no_session_and_says_that_it_is_complete(served):
    result = mcp.ModernClient(served.port).request("tools/call", ECHO)
    assert result == {"resultType": "complete", "content": [{"type": "text", "text": "hello"}]}


@pytest.mark.parametrize("extra, why", [
    ({"MCP-Protocol-Version": None}, "missing"), ({"MCP-Protocol-Version": "2025-11-25"}, "differs"), ({"Mcp-Method": None}, "missing"),
    ({"Mcp-Method": "tools/list"}, "differs"), ({"Mcp-Name": None}, "missing"), ({"Mcp-Name": "plain__pid"}, "differs"), ({"Mcp-Name": "=?base64?cGx?="}, "lawfully"),
])
def test_a_header_that_does_not_say_what_the_body_says_is_refused(served, extra, why):
    before = served.refusals("header.mismatch")
    answer = mcp.ModernClient(served.port).post("tools/call", ECHO, extra)
    assert error_of(answer) == (400, -32020) and why in answer.json()["error"]["message"]
    served.metric_reaches("header.mismatch", before + 1)
    assert served.audit_with("header.mismatch")


def test_an_encoded_name_is_the_name(served):
    assert mcp.ModernClient(served.port).post("tools/call", ECHO, {"Mcp-Name": "=?base64?cGxhaW5fX2VjaG8=?="}).status == 200


@pytest.mark.parametrize("meta, code", [
    ({**CLAIM, "io.modelcontextprotocol/protocolVersion": "2099-01-01"}, -32022), ({**CLAIM, "io.modelcontextprotocol/protocolVersion": 7}, -32602),
    ({**CLAIM, "io.modelcontextprotocol/clientCapabilities": []}, -32602), ({"io.modelcontextprotocol/protocolVersion": mcp.MODERN}, -32602),
    ({**CLAIM, "io.modelcontextprotocol/logLevel": "loud"}, -32602), ({}, -32602),
])
def test_a_claim_that_is_incomplete_or_of_another_revision_is_refused(served, meta, code):
    version = meta.get("io.modelcontextprotocol/protocolVersion", mcp.MODERN)
    fields = {"Content-Type": "application/json", "Accept": mcp.ACCEPT, "MCP-Protocol-Version": str(version), "Mcp-Method": "tools/list"}
    body = mcp.dumps({"jsonrpc": "2.0", "id": 5, "method": "tools/list", "params": {"_meta": meta}})
    answer = http.request(served.port, "POST", "/mcp", fields, body)
    assert error_of(answer) == (400, code) and answer.json()["id"] == 5
    if code == -32022:
        assert answer.json()["error"]["data"] == {"reason": "version.unsupported", "supported": [mcp.MODERN], "requested": "2099-01-01"}


@pytest.mark.parametrize("method", ["initialize", "ping", "logging/setLevel", "resources/subscribe", "resources/unsubscribe", "tasks/list", "no/such"])
def test_what_this_revision_does_not_have_is_not_found(served, method):
    assert error_of(mcp.ModernClient(served.port).post(method)) == (404, -32601)


def test_both_eras_live_on_one_connection_of_lines(served):
    with served.line_client() as client:
        machine.eventually(lambda: "plain__echo" in {tool["name"] for tool in client.tools()}, 20, "the server lists its tools")
        modern = client.request("tools/call", {**ECHO, "_meta": CLAIM})
        old = client.request("tools/call", ECHO)
        assert modern["resultType"] == "complete" and "resultType" not in old
        assert modern["content"] == old["content"]


def test_a_log_message_goes_only_to_the_request_that_asked_for_it(served):
    client = mcp.ModernClient(served.port)
    talk = {"name": "plain__talk", "arguments": {"level": "warning", "text": "listen"}}
    quiet = client.post("tools/call", talk)
    assert quiet.header("Content-Type").startswith("application/json")
    loud = client.post("tools/call", {**talk, "_meta": {"io.modelcontextprotocol/logLevel": "info"}})
    methods = [json.loads(data).get("method") for _, _, data in loud.events()]
    assert methods == ["notifications/message", None]


def test_progress_comes_under_the_clients_own_token(served):
    answer = mcp.ModernClient(served.port).post("tools/call", {"name": "plain__steps", "arguments": {"steps": 3}, "_meta": {"progressToken": "mine"}})
    messages = [json.loads(data) for _, _, data in answer.events()]
    assert [message["params"]["progressToken"] for message in messages[:3]] == ["mine"] * 3 and messages[3]["result"]["resultType"] == "complete"


def test_listen_streams_have_a_limit_and_give_their_place_back(served):
    client = mcp.ModernClient(served.port)
    streams = [client.listen(f"l{number}", toolsListChanged=True) for number in range(3)]
    for stream in streams:
        stream.wait_for(lambda event: event["method"] == "notifications/subscriptions/acknowledged")
    names = itertools.count()

    def one_more():
        return client.post("subscriptions/listen", {"notifications": {}}, {"Accept": mcp.ACCEPT}, f"more{next(names)}")

    assert one_more().status == 429
    for stream in streams:
        stream.close()

    def has_room():
        stream = client.listen(f"again{next(names)}", toolsListChanged=True)
        stream.wait_for(lambda event: True)
        stream.close()
        return stream.answer.status == 200

    machine.eventually(has_room, 10, "a closed stream gives its place back")
