"""The front door against what is thrown at it: no request that must be refused is answered 2xx, whole, in pieces,
pipelined behind a good one, or second on a connection; a refused framing gives one answer and an end."""
import re
import socket

import pytest

from attacks import cases
from support import http, machine, mcp
from support.gateway import Gateway, plain_server

GOOD = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
BODY = b'{"jsonrpc":"2.0","id":1,"method":"ping"}'


def get(fields="Host: localhost", target="/healthz", method="GET"):
    return f"{method} {target} HTTP/1.1\r\n{fields}\r\n\r\n".encode("latin-1")


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    calls = tmp_path_factory.mktemp("c") / "calls"
    with machine.own_namespace():
        one = Gateway(mcpServers={"plain": plain_server(env={"CALLS_FILE": str(calls)})})
        one.calls = calls
        try:
            yield one.start()
            assert not calls.exists(), "a refused request reached the server"
        finally:
            one.stop()


def statuses_of(one, data, split=None):
    """The statuses of all answers until the connection ends."""
    with http.Connection(one.port, timeout=5.0) as connection:
        try:
            connection.send(data, split=split)
            connection.socket.shutdown(socket.SHUT_WR)
        except OSError:  # refused and closed before all was sent
            pass
        statuses = [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", connection.rest())]
    # Who asks for 100 Continue may be told so before the answer, when the body is later than the head.
    asked = re.findall(rb"\r\nexpect:(.*)\r\n", data.lower())
    return [status for status in statuses if status != 100] if [word.strip() for word in asked] == [b"100-continue"] else statuses


@pytest.mark.parametrize("case", cases.ALL, ids=lambda case: case.name.encode("ascii", "backslashreplace").decode()[:80])
def test_each_case_of_the_tables_is_answered_as_they_say(served, case):
    for split in (None, 1, 7):
        if split == 1 and len(case.data) > 2000:
            continue
        found = statuses_of(served, case.data, split)
        assert found and found[0] in case.answer, (split, found)
        assert not case.reason or len(found) == 1, f"one answer, then the end: {found}"
    behind = statuses_of(served, case.data + GOOD)
    assert behind[0] in case.answer
    assert not case.reason or len(behind) == 1, "what stands behind a refused request was answered"
    second = statuses_of(served, GOOD + case.data)
    assert second[0] == 200 and second[1] in case.answer, second
    assert not case.reason or len(second) == 2


@pytest.mark.parametrize("reason", sorted({case.reason for case in cases.ALL if case.reason}))
def test_one_case_of_each_reason_cut_at_every_byte(served, reason):
    case = min((case for case in cases.ALL if case.reason == reason), key=lambda case: len(case.data))
    for cut in range(1, min(len(case.data), 400)):
        found = statuses_of(served, case.data, [cut])
        assert len(found) == 1 and found[0] in case.answer, (cut, found)


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain; application/json",
                                  "application/jsonx", "application/xml", "application/problem+json", "application/json, text/plain"])
def test_what_a_page_can_send_without_preflight_is_415_even_with_a_good_host(served, kind):
    assert http.request(served.port, "POST", "/mcp", {"Accept": mcp.ACCEPT, "Content-Type": kind}, BODY).status == 415


@pytest.mark.parametrize("field", ["Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA",
                                   "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="])
def test_nothing_is_upgraded(served, field):
    for target in ("/healthz", "/mcp"):
        assert 101 not in statuses_of(served, get(f"Host: localhost\r\n{field}", target))


@pytest.mark.parametrize("where", ["/mcp", "/healthz", "/nothing"])
def test_a_preflight_from_elsewhere_gets_403_and_no_permission(served, where):
    with http.Connection(served.port) as connection:
        connection.send(get("Host: localhost\r\nOrigin: http://evil.example\r\nAccess-Control-Request-Method: POST\r\n"
                            "Access-Control-Request-Private-Network: true", where, "OPTIONS"))
        answer = connection.response()
        assert answer.status == 403
        assert not [name for name, _ in answer.fields if name.lower().startswith("access-control-")]


MESSAGES = {
    "duplicate key": '{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/list"}', "duplicate by escape": '{"jsonrpc":"2.0","id":1,"method":"ping","m\\u0065thod":"tools/list"}',
    "wrong case": '{"jsonrpc":"2.0","id":1,"Method":"ping"}', "trailing bytes": '{"jsonrpc":"2.0","id":1,"method":"ping"} x', "two values": '{"jsonrpc":"2.0","id":1,"method":"ping"}{}',
    "NaN": '{"jsonrpc":"2.0","id":NaN,"method":"ping"}', "deep": '{"jsonrpc":"2.0","id":1,"method":"ping","params":' + "[" * 100 + "]" * 100 + "}",
    "lone surrogate": '{"jsonrpc":"2.0","id":"\\ud800","method":"ping"}', "control in a string": '{"jsonrpc":"2.0","id":"\x01","method":"ping"}', "BOM": '\ufeff{"jsonrpc":"2.0","id":1,"method":"ping"}',
    "leading zero": '{"jsonrpc":"2.0","id":01,"method":"ping"}', "comment": '{"jsonrpc":"2.0",/**/"id":1,"method":"ping"}', "trailing comma": '{"jsonrpc":"2.0","id":1,"method":"ping",}',
    "null id": '{"jsonrpc":"2.0","id":null,"method":"ping"}', "object id": '{"jsonrpc":"2.0","id":{},"method":"ping"}', "no version": '{"id":1,"method":"ping"}', "version 1": '{"jsonrpc":"1.0","id":1,"method":"ping"}',
    "method is a number": '{"jsonrpc":"2.0","id":1,"method":1}', "empty": "", "a text": '"ping"', "a number": "1", "batch": '[{"jsonrpc":"2.0","id":1,"method":"ping"}]',
    "method and result": '{"jsonrpc":"2.0","id":1,"method":"ping","result":{}}',
}


@pytest.mark.parametrize("name", MESSAGES)
def test_messages_that_are_none_are_400_within_a_session(served, name):
    with served.client() as client:
        answer = client.post(MESSAGES[name].encode("utf-8"))
        assert answer.status == 400 and answer.json()["error"]["code"] in (-32700, -32600), answer
        assert client.request("ping") == {}


def test_bytes_that_are_no_utf8_are_refused(served):
    with served.client() as client:
        for bad in (b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82"):
            answer = client.post(b'{"jsonrpc":"2.0","id":"' + bad + b'","method":"ping"}')
            assert answer.status == 400 and answer.json()["error"]["code"] == -32700
