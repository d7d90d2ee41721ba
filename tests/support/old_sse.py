"""A small client of HTTP+SSE, the transport of 2024-11-05: a stream that names where messages are posted to."""
import itertools
import json
import socket
import threading

from support import http, mcp


class OldClient:
    """One stream and its session. Answers come on the stream, in a thread of their own."""

    def __init__(self, where, host="localhost", version="2024-11-05", timeout=30.0):
        self.where, self.host, self.version, self.timeout = where, host, version, timeout
        self.connection = http.Connection(where, timeout)
        self.connection.send(http.request_bytes("GET", "/sse", {"Accept": "text/event-stream"}, host=host))
        self.answer = self.connection.head()
        assert self.answer.status == 200, self.answer
        self.raw, self.events, self.ended, self.cut = b"", [], threading.Event(), False
        self.ids = itertools.count(1)
        self.changed = threading.Condition()
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()
        self.place = self.wait_for(lambda event: event[0] == "endpoint")[2]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _read(self):
        pending = b""
        try:
            while piece := self.connection.chunk():
                self.raw += piece
                pending += piece
                while b"\n\n" in pending:
                    block, _, pending = pending.partition(b"\n\n")
                    with self.changed:
                        self.events += http.parse_events(block.decode())
                        self.changed.notify_all()
        except (OSError, EOFError):
            self.cut = True
        self.ended.set()
        with self.changed:
            self.changed.notify_all()

    def wait_for(self, check, seconds=20.0):
        with self.changed:
            assert self.changed.wait_for(lambda: any(map(check, self.events)) or self.ended.is_set(), seconds), self.events
            found = next((event for event in self.events if check(event)), None)
        assert found, f"the stream ended without it: {self.events}"
        return found

    def post(self, message, where=None, fields=None) -> http.Response:
        body = message if isinstance(message, bytes) else mcp.dumps(message)
        return http.request(where or self.where, "POST", self.place, {"Content-Type": "application/json", **(fields or {})}, body, self.host)

    def send(self, message):
        answer = self.post(message)
        assert answer.status == 202 and answer.body == b"Accepted", answer

    def answer_of(self, ident, seconds=20.0):
        def is_it(event):
            value = json.loads(event[2]) if event[0] == "message" else {}
            return isinstance(value, dict) and value.get("id") == ident and ("result" in value or "error" in value)
        return json.loads(self.wait_for(is_it, seconds)[2])

    def request(self, method, params=None):
        message = {"jsonrpc": "2.0", "id": next(self.ids), "method": method, **({"params": params} if params is not None else {})}
        self.send(message)
        return mcp.result_of(self.answer_of(message["id"]))

    def initialize(self):
        result = self.request("initialize", {"protocolVersion": self.version, "capabilities": {}, "clientInfo": mcp.CLIENT})
        self.send({"jsonrpc": "2.0", "method": "notifications/initialized"})
        return result

    def call(self, name, arguments=None):
        return self.request("tools/call", {"name": name, "arguments": arguments or {}})

    def close(self):
        try:
            self.connection.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.thread.join(5)
        self.connection.close()
