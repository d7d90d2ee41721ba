"""HTTP+SSE (2024-11-05) against a running gateway: its place, its sessions, its limits and its ends."""
import json
import os
import re
import signal
import subprocess
import sys
import threading

import pytest

from support import http, machine, mcp
from support.gateway import Gateway, plain_server
from support.old_sse import OldClient


@pytest.fixture(scope="module", params=[1, 2], ids=["one loop", "two loops and two shards"])
def served(request):
    with machine.own_namespace():
        one = Gateway(mcpServers={"plain": plain_server(), "other": plain_server()}, threads={"door": request.param, "engine": request.param},
                      limits={"inFlightSession": 4})
        try:
            one.start()
            with one.client() as client:
                machine.eventually(lambda: {"plain__echo", "other__echo"} <= {tool["name"] for tool in client.tools()}, 20, "both servers list their tools")
            yield one
        finally:
            one.stop()


def sessions(one):
    return one.metrics()["clawql_sessions"]


def test_the_place_is_relative_and_new_for_each_stream(served):
    places = set()
    for _ in range(8):
        # A name in Host that is allowed is still no part of the place.
        with OldClient(served.port, host="127.0.0.1:8080") as client:
            assert client.answer.header("Content-Type") == "text/event-stream"
            assert client.answer.header("X-Accel-Buffering") == "no" and "no-store" in client.answer.header("Cache-Control")
            assert client.raw.startswith(b"event: endpoint\ndata: /message?sessionId=")
            assert re.fullmatch(r"/message\?sessionId=0[01][0-9a-f]{64}", client.place), client.place
            places.add(client.place)
    assert len(places) == 8


def test_a_whole_session_on_every_listener(served):
    for where in (served.port, served.socket):
        with OldClient(where) as client:
            assert client.initialize()["protocolVersion"] == "2024-11-05"
            names = [tool["name"] for tool in client.request("tools/list")["tools"]]
            assert "plain__echo" in names and "other__echo" in names
            for server in ("plain", "other"):
                assert mcp.text_of(client.call(f"{server}__echo", {"text": "hällo\u2028"})) == "hällo\u2028"
            assert len(mcp.text_of(client.call("plain__big", {"bytes": 300_000}))) == 300_000


def test_many_sessions_at_once_each_get_their_own_answers(served):
    clients = [OldClient(served.port) for _ in range(12)]
    try:
        for client in clients:
            client.initialize()
        failures = []

        def work(number, client):
            try:
                for turn in range(10):
                    text = f"{number}/{turn}"
                    assert mcp.text_of(client.call(("plain__echo", "other__echo")[turn % 2], {"text": text})) == text
            except Exception as problem:  # pylint: disable=broad-except
                failures.append(problem)
        threads = [threading.Thread(target=work, args=pair) for pair in enumerate(clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failures, failures
    finally:
        for client in clients:
            client.close()


@pytest.mark.parametrize("fields,status", [({"Host": "evil.example"}, 403), ({"Origin": "http://evil.example"}, 403), ({"Origin": "null"}, 403),
                                           ({"Sec-Fetch-Site": "cross-site"}, 403), ({"Content-Type": "text/plain"}, 415), ({"Content-Type": None}, 415)])
def test_a_message_passes_the_same_guard_even_with_the_right_place(served, fields, status):
    with OldClient(served.port) as client:
        client.initialize()
        answer = client.post({"jsonrpc": "2.0", "id": "unheard", "method": "ping"}, fields=fields)
        assert answer.status == status, answer
        assert client.request("ping") == {}
        assert not [event for event in client.events if "unheard" in event[2]]


def test_the_place_is_of_no_use_to_another_principal_nor_to_the_new_transport(served):
    ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    with OldClient(served.socket) as client:
        client.initialize()
        over_tcp = client.post(ping, where=served.port)
        # Another user of the same socket.
        other = subprocess.run(
            [sys.executable, "-c", "import os, socket, sys\nos.setgroups([0]); os.setuid(65534)\ns = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])\n"
             "s.sendall(sys.stdin.buffer.read()); sys.stdout.buffer.write(s.recv(65536))", str(served.socket)],
            input=http.request_bytes("POST", client.place, {"Content-Type": "application/json"}, mcp.dumps(ping)), capture_output=True, timeout=20, check=True)
        assert over_tcp.status == 404 and over_tcp.json()["error"]["code"] == -32001
        assert other.stdout.startswith(b"HTTP/1.1 404 ") and over_tcp.body in other.stdout
        ident = client.place.partition("=")[2]
        assert http.request(served.socket, "POST", "/mcp", {"Content-Type": "application/json", "Accept": mcp.ACCEPT, "Mcp-Session-Id": ident}, mcp.dumps(ping)).status == 404
        with served.client() as modern:
            client.place, own = f"/message?sessionId={modern.session}", client.place
            assert client.post(ping).status == 404
            client.place = own
        assert client.request("ping") == {}
    assert ident not in served.log() and ident not in json.dumps(served.audit())


def test_over_the_limit_in_flight_a_message_is_429_and_its_cancellation_is_not(served):
    with OldClient(served.port) as client:
        client.initialize()

        def slow(ident):
            return client.post({"jsonrpc": "2.0", "id": ident, "method": "tools/call", "params": {"name": "plain__slow", "arguments": {"seconds": 30}}})
        assert [slow(f"s{number}").status for number in range(4)] == [202] * 4
        refused = slow("s4")
        assert refused.status == 429 and refused.header("Retry-After") == "1"
        assert refused.json()["id"] == "s4" and refused.json()["error"]["data"]["reason"] == "limit.requests"
        client.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "s0"}})
        machine.eventually(lambda: slow("s5").status == 202, 5, "room again")
        assert client.request("ping") == {}


def test_the_session_ends_with_its_stream(gateway):
    one = gateway(mcpServers={"plain": plain_server()}, threads={"door": 2, "engine": 2})
    client = OldClient(one.socket)
    client.initialize()
    assert sessions(one) == 1
    client.close()
    machine.eventually(lambda: sessions(one) == 0, 20, "the session is gone")
    assert client.post({"jsonrpc": "2.0", "id": 1, "method": "ping"}).status == 404


def test_a_client_that_never_reads_is_told_to_wait_and_keeps_bounded_memory():
    with machine.own_namespace():
        one = Gateway(mcpServers={"plain": plain_server()}, limits={"bufferedBytesSession": 8 << 20, "serverMessage": 4 << 20})
        try:
            one.start()
            with http.Connection(one.port) as lazy:
                lazy.send(http.request_bytes("GET", "/sse", {"Accept": "text/event-stream"}))
                lazy.head()
                place = lazy.chunk().decode().split("data: ")[1].strip()

                def post(message):
                    return http.request(one.port, "POST", place, {"Content-Type": "application/json"}, mcp.dumps(message)).status
                assert post({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {"protocolVersion": "2024-11-05", "capabilities": {}, "clientInfo": mcp.CLIENT}}) == 202
                seen = []
                for number in range(1, 200):
                    seen.append(post({"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": {"name": "plain__big", "arguments": {"bytes": 1_000_000}}}))
                    assert one.metrics()["clawql_buffered_bytes"] <= 8 << 20
                # Sooner or later a request is told to wait (too many unanswered, no room left), or finds that the stream was cut off.
                assert seen[0] == 202 and {429, 503, 404} & set(seen) and set(seen) <= {202, 429, 503, 404}, seen
            with OldClient(one.port) as client:
                client.initialize()
                assert mcp.text_of(client.call("plain__echo", {"text": "still here"})) == "still here"
        finally:
            one.stop()


def test_a_drain_ends_the_stream_after_a_whole_event():
    with machine.own_namespace():
        one = Gateway(mcpServers={"plain": plain_server()})
        try:
            one.start()
            idle, busy = OldClient(one.port), OldClient(one.port)
            busy.initialize()
            busy.send({"jsonrpc": "2.0", "id": "last", "method": "tools/call", "params": {"name": "plain__slow", "arguments": {"seconds": 1.5, "text": "done"}}})
            one.process.send_signal(signal.SIGTERM)
            assert mcp.text_of(busy.answer_of("last")["result"]) == "done"
            for client in (idle, busy):
                assert client.ended.wait(10) and not client.cut, "the last chunk came"
                assert client.raw.endswith(b"\n\n")
            assert one.process.wait(20) == 0
        finally:
            one.stop()


def test_when_the_engine_dies_streams_end_and_the_place_is_gone(served):
    client = OldClient(served.port)
    client.initialize()
    os.kill(served.engine.pid, signal.SIGKILL)
    assert client.ended.wait(10)
    machine.eventually(lambda: http.request(served.port, "GET", "/readyz").status == 200, 20, "the next engine")
    machine.eventually(lambda: client.post({"jsonrpc": "2.0", "id": 1, "method": "ping"}).status == 404, 10, "an old place is unknown")
    with OldClient(served.port) as again:
        again.initialize()
        machine.eventually(lambda: "plain__echo" in {tool["name"] for tool in again.request("tools/list")["tools"]}, 20, "the servers are back")
