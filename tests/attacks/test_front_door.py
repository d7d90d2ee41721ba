"""The front door against what is thrown at it: no request that must be refused is answered 2xx, whole, in pieces,
pipelined behind a good one, or second on a connection; a refused framing gives one answer and an end."""
import pytest

from attacks import cases
from support import http, machine, mcp
from support.gateway import Gateway, plain_server

GOOD = cases.get()


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


def ask(one, data, split=None):
    """(status or None, whether more answers came, whether the connection ended)"""
    with http.Connection(one.port, timeout=5.0) as connection:
        try:
            connection.send(data, split=split)
        except (BrokenPipeError, ConnectionResetError):
            pass
        try:
            answer = connection.response("HEAD" if data.startswith(b"HEAD") else "GET")
        except (EOFError, ConnectionResetError):
            return None, False, True
        ended = connection.closed(2.0)
        return answer.status, bool(connection.buffer), ended


def check_refused(one, data, statuses, must_close=True):
    status, more, ended = ask(one, data)
    assert status is None or status in statuses, status
    assert not must_close or (ended and not more), "one answer, then the end"
    status, more, ended = ask(one, data + GOOD)
    assert status is None or status in statuses
    assert not must_close or (ended and not more), "what stands behind a refused request was answered"
    with http.Connection(one.port) as connection:  # second on a connection
        connection.send(GOOD)
        assert connection.response().status == 200
        connection.send(data)
        try:
            assert connection.response("GET").status in statuses
        except (EOFError, ConnectionResetError):
            pass
    for size in (1, 3):
        status, _, _ = ask(one, data[:4096], split=size) if len(data) <= 4096 else ask(one, data)
        assert status is None or status in statuses, f"in pieces of {size}"


@pytest.mark.parametrize("host", cases.HOSTS_GOOD)
def test_lawful_hosts_are_served(served, host):
    assert ask(served, cases.get(f"Host: {host}"))[0] == 200


@pytest.mark.parametrize("host", cases.HOSTS_MALFORMED)
def test_malformed_hosts(served, host):
    check_refused(served, cases.get(f"Host: {host}"), {400})


@pytest.mark.parametrize("host", cases.HOSTS_NOT_ALLOWED)
def test_hosts_that_are_not_allowed(served, host):
    check_refused(served, cases.get(f"Host: {host}"), {403})


@pytest.mark.parametrize("lines", cases.HOST_LINES)
def test_none_two_or_broken_host_lines(served, lines):
    check_refused(served, cases.get(lines), {400})


@pytest.mark.parametrize("origin", cases.ORIGINS_GOOD)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_lawful_origins_pass(served, origin, method):
    data = cases.get(more=f"Origin: {origin}\r\n") if method == "GET" else cases.post(f"Origin: {origin}\r\nContent-Length: {len(cases.BODY)}\r\n", cases.BODY)
    assert ask(served, data)[0] == (200 if method == "GET" else 400)  # 400: past the guard, there is no session


@pytest.mark.parametrize("origin", cases.ORIGINS_BAD)
def test_origins_that_are_refused(served, origin):
    for data in (cases.get(more=f"Origin: {origin}\r\n"), cases.post(f"Origin: {origin}\r\nContent-Length: {len(cases.BODY)}\r\n", cases.BODY),
                 cases.get(more=f"Origin: {origin}\r\nSec-Fetch-Site: same-origin\r\n", method="DELETE", target="/mcp")):
        check_refused(served, data, {403, 400}, must_close=True)


@pytest.mark.parametrize("lines", ["Origin: http://localhost\r\nOrigin: http://localhost\r\n", "Origin: http://localhost\r\nOrigin: http://evil.com\r\n"])
def test_two_origin_lines(served, lines):
    check_refused(served, cases.get(more=lines), {403, 400})


@pytest.mark.parametrize("name", cases.HEADS)
def test_heads_out_of_grammar(served, name):
    check_refused(served, cases.HEADS[name], {400, 505, 405, 501})


@pytest.mark.parametrize("target", cases.TARGETS)
def test_targets_that_are_none_of_ours(served, target):
    check_refused(served, cases.get(target=target), {400, 403, 404}, must_close=False)


@pytest.mark.parametrize("path", cases.PATHS)
def test_odd_paths_are_never_normalised_into_a_route(served, path):
    check_refused(served, cases.get(target=path), {400, 404, 405, 406}, must_close=False)


@pytest.mark.parametrize("name", {**cases.FRAMING, **cases.CHUNKS})
def test_ambiguous_framing_gives_one_answer_and_an_end(served, name):
    check_refused(served, {**cases.FRAMING, **cases.CHUNKS}[name], {400, 501, 413})


@pytest.mark.parametrize("name", ["two lengths", "length and chunked", "coding 'xchunked'", "length '+5'", "chunk size b'0x5'", "chunks: LF ends the size", "chunks: trailer Host"])
def test_framing_cut_at_every_byte(served, name):
    data = {**cases.FRAMING, **cases.CHUNKS}[name]
    for cut in range(1, len(data)):
        assert ask(served, data, split=[cut])[0] in {None, 400, 501}, cut


@pytest.mark.parametrize("name", cases.SIMPLE_REQUESTS)
def test_what_a_page_can_send_without_preflight_is_415_even_with_a_good_host(served, name):
    data = (f"POST /mcp HTTP/1.1\r\nHost: localhost\r\nAccept: {mcp.ACCEPT}\r\nContent-Type: {cases.SIMPLE_REQUESTS[name]}\r\n"
            f"Content-Length: {len(cases.BODY)}\r\n\r\n").encode() + cases.BODY
    assert ask(served, data)[0] == 415


@pytest.mark.parametrize("field", ["Connection: Host", "Connection: Origin", "X-Forwarded-Host: localhost", "Forwarded: host=localhost", "X-Original-Host: localhost",
                                   "X-Host: localhost", "X-Forwarded-For: 127.0.0.1", "Content_Length: 0", "X-HTTP-Method-Override: GET"])
def test_no_other_field_widens_what_is_allowed(served, field):
    check_refused(served, cases.get("Host: evil.example", more=field + "\r\n"), {403})
    check_refused(served, cases.get(more=f"Origin: http://evil.example\r\n{field}\r\n"), {403})


@pytest.mark.parametrize("field", ["Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA",
                                   "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="])
def test_nothing_is_upgraded(served, field):
    for target in ("/healthz", "/mcp"):
        assert ask(served, cases.get(target=target, more=field + "\r\n"))[0] != 101


@pytest.mark.parametrize("method", ["TRACE", "TRACK", "CONNECT", "get", "PROPFIND", "DEBUG"])
def test_methods_that_are_never_served(served, method):
    status, _, _ = ask(served, cases.get(method=method))
    assert status in {400, 405, 501}


@pytest.mark.parametrize("where", ["/mcp", "/healthz", "/nothing"])
def test_a_preflight_from_elsewhere_gets_403_and_no_permission(served, where):
    with http.Connection(served.port) as connection:
        connection.send(cases.get(method="OPTIONS", target=where, more="Origin: http://evil.example\r\nAccess-Control-Request-Method: POST\r\n"
                                                                       "Access-Control-Request-Private-Network: true\r\n"))
        answer = connection.response()
        assert answer.status == 403
        assert not [name for name, _ in answer.fields if name.lower().startswith("access-control-")]


def test_a_body_on_get_is_never_the_next_request(served):
    hidden = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"
    data = cases.get(more=f"Content-Length: {len(hidden)}\r\n") + hidden
    with http.Connection(served.port) as connection:
        connection.send(data + GOOD)
        answers = [connection.response().status]
        rest = b""
        connection.socket.settimeout(2)
        try:
            rest = connection.rest()
        except TimeoutError:
            rest = connection.buffer
        assert b"clawql_" not in rest and answers[0] in (200, 400)


MESSAGES = {
    "duplicate key": '{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/list"}', "duplicate by escape": '{"jsonrpc":"2.0","id":1,"method":"ping","m\\u0065thod":"tools/list"}',
    "wrong case": '{"jsonrpc":"2.0","id":1,"Method":"ping"}', "trailing bytes": '{"jsonrpc":"2.0","id":1,"method":"ping"} x', "two values": '{"jsonrpc":"2.0","id":1,"method":"ping"}{}',
    "NaN": '{"jsonrpc":"2.0","id":NaN,"method":"ping"}', "deep": '{"jsonrpc":"2.0","id":1,"method":"ping","params":' + "[" * 100 + "]" * 100 + "}",
    "lone surrogate": '{"jsonrpc":"2.0","id":"\\ud800","method":"ping"}', "control in a string": '{"jsonrpc":"2.0","id":"\x01","method":"ping"}', "BOM": '\ufeff{"jsonrpc":"2.0","id":1,"method":"ping"}',
    "leading zero": '{"jsonrpc":"2.0","id":01,"method":"ping"}', "comment": '{"jsonrpc":"2.0",/**/"id":1,"method":"ping"}', "trailing comma": '{"jsonrpc":"2.0","id":1,"method":"ping",}',
    "null id": '{"jsonrpc":"2.0","id":null,"method":"ping"}', "object id": '{"jsonrpc":"2.0","id":{},"method":"ping"}', "no version": '{"id":1,"method":"ping"}', "version 1": '{"jsonrpc":"1.0","id":1,"method":"ping"}',
    "method is a number": '{"jsonrpc":"2.0","id":1,"method":1}', "params is a text": '{"jsonrpc":"2.0","id":1,"method":"ping","params":"x"}', "empty": "", "a text": '"ping"', "a number": "1", "batch": '[{"jsonrpc":"2.0","id":1,"method":"ping"}]',
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
