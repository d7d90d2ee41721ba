"""Slow clients by the thousand and floods of refused requests, while another client is served in time."""
import resource
import time

import pytest

from support import http, machine, mcp
from support.gateway import plain_server


@pytest.fixture(autouse=True)
def many_descriptors():
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (before[1], before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def check_served(client, calls=20, within=2.0):
    for number in range(calls):
        began = time.monotonic()
        client.call("clawql__cache", {"operation": "get", "key": str(number)})
        assert time.monotonic() - began < within


def test_ten_thousand_slow_clients_leave_others_served(gateway):
    one = gateway(limits={"headerSeconds": 5})
    with one.client() as client:
        slow = []
        for number in range(10_000):
            connection = http.Connection(("127.0.0.1", one.port))
            connection.send(b"POST /mcp HTTP/1.1\r\nHost: loc")
            slow.append(connection)
            if number % 2000 == 0:
                check_served(client, 2)
        check_served(client)
        with one.client() as fresh:
            check_served(fresh)
        with one.line_client() as unix:
            assert unix.request("ping") == {}
        for connection in slow:
            connection.close()
    machine.eventually(lambda: one.door.descriptors() < 100, 15, "the door has let them go")


def test_a_body_that_trickles_is_ended(gateway):
    one = gateway(limits={"bodySeconds": 1, "bodyBytesPerSecond": 1000})
    with one.client() as client, http.Connection(one.port) as slow:
        slow.send(http.request_bytes("POST", "/mcp", {**client.headers(), "Content-Length": "100000"}, b"{"))
        began = time.monotonic()
        assert slow.response().status == 408
        assert time.monotonic() - began < 6
        one.metric_reaches("http.body-timeout", 1)


def test_a_head_that_trickles_is_ended(gateway):
    one = gateway(limits={"headerSeconds": 1})
    with http.Connection(one.port) as slow:
        slow.send(b"GET /healthz HTTP/1.1\r\nHost: ")
        assert slow.response().status == 408
        assert slow.closed()


def test_a_client_that_reads_nothing_holds_up_nobody(gateway):
    one = gateway(mcpServers={"plain": plain_server()})
    with one.client() as client:
        machine.eventually(lambda: "plain__big" in [tool["name"] for tool in client.tools()], 10)
        stuck = []
        for number in range(8):
            connection = http.Connection(one.port)
            body = mcp.dumps({"jsonrpc": "2.0", "id": f"big{number}", "method": "tools/call", "params": {"name": "plain__big", "arguments": {"bytes": 8 << 20}}})
            connection.send(http.request_bytes("POST", "/mcp", client.headers(), body))
            stuck.append(connection)
        for _ in range(20):
            began = time.monotonic()
            assert mcp.text_of(client.call("plain__echo", {"text": "x"})) == "x"
            assert time.monotonic() - began < 3
        for connection in stuck:
            connection.close()


def test_a_flood_of_refusals_is_sampled_in_the_audit_and_others_are_served(gateway):
    one = gateway()
    bad = http.request_bytes("GET", "/healthz", {"Host": "evil.example"})
    with one.client() as client:
        began, count = time.monotonic(), 0
        while time.monotonic() - began < 3:
            with http.Connection(one.port) as connection:
                connection.send(bad)
                assert connection.response().status == 403
            count += 1
            if count % 200 == 0:
                check_served(client, 1)
        one.metric_reaches("guard.host", count)
        records = [record for record in one.audit() if "guard.host" in str(record)]
        assert 1 <= len(records) <= 20, f"{len(records)} records for {count} refusals"
        lines = sum("evil.example" in line for line in one.log().splitlines())
        assert 1 <= lines <= 10 * 5, f"{lines} lines for {count} refusals: 10 of one reason are written in a second"


def test_connections_over_the_limit_end_the_one_that_waited_longest(gateway):
    one = gateway(limits={"connectionsPerPeer": 50})
    idle = []
    for _ in range(60):
        connection = http.Connection(one.port)
        connection.send(b"GET /heal")
        idle.append(connection)
    with one.client() as client:
        check_served(client, 5)
    assert sum(connection.closed(0.2) or bool(connection.buffer) for connection in idle[:15]) >= 5
    for connection in idle:
        connection.close()
