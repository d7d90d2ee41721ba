"""Every refusal whole: status, JSON-RPC code, body without id, whether the connection closes, metric, audit record, and
for the guard the line in the operator's log that names the value and the remedy."""
import json

import pytest

from support import http, machine, mcp
from support.gateway import Gateway

POST = {"Content-Type": "application/json", "Accept": mcp.ACCEPT}
PING = b'{"jsonrpc":"2.0","id":1,"method":"ping"}'


def raw(text, body=b""):
    return text.replace("\n", "\r\n").encode("latin-1") + b"\r\n\r\n" + body


# name: (bytes, status, code, label, closes)
CASES = {
    "two blanks": (raw("GET  /healthz HTTP/1.1\nHost: localhost"), 400, 400, "http.syntax", True),
    "bare line feed": (b"GET /healthz HTTP/1.1\nHost: localhost\n\n", 400, 400, "http.syntax", True),
    "obs-fold": (raw("GET /healthz HTTP/1.1\nHost: localhost\nX: a\n b"), 400, 400, "http.syntax", True),
    "blank before colon": (raw("GET /healthz HTTP/1.1\nHost : localhost"), 400, 400, "http.syntax", True),
    "1.0": (raw("GET /healthz HTTP/1.0\nHost: localhost"), 400, 400, "http.version", True),
    "2.0": (raw("GET /healthz HTTP/2.0\nHost: localhost"), 400, 400, "http.version", True),
    "length and chunked": (raw("POST /mcp HTTP/1.1\nHost: localhost\nContent-Length: 5\nTransfer-Encoding: chunked", b"0\r\n\r\n"), 400, 400, "http.framing", True),
    "two lengths": (raw("POST /mcp HTTP/1.1\nHost: localhost\nContent-Length: 5\nContent-Length: 5", b"hello"), 400, 400, "http.framing", True),
    "xchunked": (raw("POST /mcp HTTP/1.1\nHost: localhost\nTransfer-Encoding: xchunked", b"0\r\n\r\n"), 400, 400, "http.framing", True),
    "no host": (raw("GET /healthz HTTP/1.1"), 400, 400, "http.host-missing", True),
    "two hosts": (raw("GET /healthz HTTP/1.1\nHost: localhost\nHost: localhost"), 400, 400, "http.host-missing", True),
    "host with user": (raw("GET /healthz HTTP/1.1\nHost: evil.example@localhost"), 400, 400, "http.host-syntax", True),
    "host with path": (raw("GET /healthz HTTP/1.1\nHost: localhost/x"), 400, 400, "http.host-syntax", True),
    "target": (raw("GET healthz HTTP/1.1\nHost: localhost"), 400, 400, "http.target", True),
    "long target": (raw("GET /" + "a" * 9000 + " HTTP/1.1\nHost: localhost"), 414, 414, "http.target-length", True),
    "large head": (raw("GET /healthz HTTP/1.1\nHost: localhost\n" + "\n".join(f"X-{n}: {'v' * 100}" for n in range(400))), 431, 431, "http.head-size", True),
    "expect": (raw("POST /mcp HTTP/1.1\nHost: localhost\nExpect: 200-ok\nContent-Length: 2", b"{}"), 417, 417, "http.expectation", True),
    "evil host": (raw("GET /healthz HTTP/1.1\nHost: evil.example"), 403, 403, "guard.host", True),
    "absolute evil": (raw("GET http://evil.example/healthz HTTP/1.1\nHost: evil.example"), 403, 403, "guard.host", True),
    "evil origin": (http.request_bytes("POST", "/mcp", {**POST, "Origin": "http://evil.example"}, PING), 403, 403, "guard.origin", True),
    "null origin": (http.request_bytes("POST", "/mcp", {**POST, "Origin": "null"}, PING), 403, 403, "guard.origin", True),
    "cross-site fetch": (http.request_bytes("GET", "/healthz", {"Sec-Fetch-Site": "cross-site"}), 403, 403, "guard.fetch-site", True),
    "route": (http.request_bytes("GET", "/nothing"), 404, 404, "route.unknown", False),
    "method": (http.request_bytes("PUT", "/mcp"), 405, 405, "route.method", False),
    "media type": (http.request_bytes("POST", "/mcp", {**POST, "Content-Type": "text/plain"}, PING), 415, 415, "route.media-type", True),
    "no media type": (http.request_bytes("POST", "/mcp", {"Accept": mcp.ACCEPT}, PING), 415, 415, "route.media-type", True),
    "accept": (http.request_bytes("POST", "/mcp", {**POST, "Accept": "text/html"}, PING), 406, 406, "route.accept", True),
    "routing field twice": (http.request_bytes("POST", "/mcp", {**POST, "Mcp-Method": "ping", "mcp-method": "ping"}, PING), 400, -32020, "route.field-repeated", True),
    "declared size": (raw("POST /mcp HTTP/1.1\nHost: localhost\nContent-Type: application/json\nAccept: " + mcp.ACCEPT + "\nContent-Length: 99999999"), 413, 413, "limit.body", True),
    "admin elsewhere": (http.request_bytes("GET", "/admin/status"), 404, 404, "route.listener", False),
    "no json": (http.request_bytes("POST", "/mcp", POST, b"{"), 400, -32700, "json.invalid", False),
    "duplicate keys": (http.request_bytes("POST", "/mcp", POST, b'{"jsonrpc":"2.0","id":1,"method":"ping","method":"ping"}'), 400, -32700, "json.invalid", False),
    "no message": (http.request_bytes("POST", "/mcp", POST, b'{"hello":1}'), 400, -32600, "message.invalid", False),
    "no session": (http.request_bytes("POST", "/mcp", POST, PING), 400, -32000, "session.missing", False),
    "unknown session": (http.request_bytes("POST", "/mcp", {**POST, "Mcp-Session-Id": "0-" + "a" * 43}, PING), 404, -32001, "session.unknown", False),
    "message without session": (http.request_bytes("POST", "/message", POST, PING), 404, -32001, "session.unknown", True),
}


@pytest.fixture(scope="module")
def served():
    with machine.own_namespace():
        one = Gateway()
        try:
            yield one.start()
        finally:
            one.stop()


@pytest.mark.parametrize("name", CASES)
def test_refusal_has_its_answer_its_metric_and_its_audit_record(served, name):
    data, status, code, label, closes = CASES[name]
    before = served.refusals(label)
    records = sum(record.get("count", 1) for record in served.audit() if label in json.dumps(record))
    with http.Connection(served.port) as connection:
        connection.send(data)
        answer = connection.response("GET")
        assert answer.status == status, answer
        body = answer.json()
        assert body["error"]["code"] == code and body["jsonrpc"] == "2.0"
        assert "id" not in body or code < 0, body
        assert b"evil" not in answer.body, "the offered value is not shown to the caller"
        assert answer.header("Access-Control-Allow-Origin") is None
        assert ((answer.header("Connection") or "").lower() == "close") == closes, answer
        if closes:
            assert connection.closed()
        else:
            connection.send(http.request_bytes("GET", "/healthz"))
            assert connection.response().status == 200, "the connection is still good"
    served.metric_reaches(label, before + 1)
    machine.eventually(lambda: sum(record.get("count", 1) for record in served.audit() if label in json.dumps(record)) > records, 5,
                       f"an audit record with {label}")


@pytest.mark.parametrize("name,value,key", [("evil host", "evil.example", "allowedHosts"), ("evil origin", "http://evil.example", "allowed")])
def test_the_operators_log_names_the_value_and_the_line_that_would_allow_it(served, name, value, key):
    with http.Connection(served.port) as connection:
        connection.send(CASES[name][0])
        assert connection.response().status == 403
    machine.eventually(lambda: any(value in line and key in line for line in served.log().splitlines()), 5, f"{value} and {key} in the log")


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "OPTIONS", "HEAD", "PUT", "PATCH"])
@pytest.mark.parametrize("path", ["/mcp", "/healthz", "/readyz", "/metrics", "/sse", "/message", "/admin/status", "/", "/nothing", "*"])
def test_the_guard_stands_before_every_route_and_method(served, method, path):
    if path == "*" and method != "OPTIONS":
        path = "/x/../mcp"
    for fields in ({"Host": "evil.example"}, {"Host": "localhost", "Origin": "http://evil.example"}):
        with http.Connection(served.port) as connection:
            connection.send(http.request_bytes(method, path, fields))
            answer = connection.response(method)
            assert answer.status == 403, (fields, answer)


def test_a_bad_second_request_on_a_good_connection_is_refused(served):
    good, bad = http.request_bytes("GET", "/healthz"), http.request_bytes("GET", "/healthz", {"Host": "evil.example"})
    with http.Connection(served.port) as connection:  # one after the other
        connection.send(good)
        assert connection.response().status == 200
        connection.send(bad)
        assert connection.response().status == 403
        assert connection.closed()
    with http.Connection(served.port) as connection:  # pipelined
        connection.send(good + bad + good)
        assert [connection.response().status for _ in range(2)] == [200, 403]
        assert connection.closed()


@pytest.mark.parametrize("name", ["evil host", "evil origin", "two lengths", "length and chunked", "host with user", "xchunked"])
def test_the_answer_is_the_same_however_the_bytes_are_cut(served, name):
    data, status, *_ = CASES[name]
    for cut in range(1, len(data), 7):
        with http.Connection(served.port) as connection:
            connection.send(data, split=[cut])
            assert connection.response().status == status, cut
    with http.Connection(served.port) as connection:
        connection.send(data, split=1)
        assert connection.response().status == status


def test_a_listed_page_may_send_the_mirrored_arguments_that_it_asks_for(gateway):
    one = gateway(allowedOrigins=["https://app.example"])
    fields = {"Origin": "https://app.example", "Access-Control-Request-Method": "POST",
              "Access-Control-Request-Headers": "content-type,mcp-param-region,x-other"}
    answer = http.request(one.port, "OPTIONS", "/mcp", fields)
    assert answer.status == 204 and answer.header("Access-Control-Allow-Origin") == "https://app.example"
    allowed = answer.header("Access-Control-Allow-Headers").lower().split(", ")
    assert "mcp-param-region" in allowed and "content-type" in allowed and "x-other" not in allowed
