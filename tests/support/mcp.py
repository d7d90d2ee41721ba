"""Small MCP clients: of the handshake era over Streamable HTTP and over newline JSON, and of 2026-07-28. They check framing as they read
and leave judgement of the content to the test."""
import itertools
import json
import socket
import threading

from support import http

ACCEPT = "application/json, text/event-stream"
VERSION = "2025-11-25"
MODERN = "2026-07-28"
CLIENT = {"name": "clawql-tests", "version": "1"}


class RpcError(Exception):
    def __init__(self, error):
        super().__init__(f"{error.get('code')}: {error.get('message')}")
        self.code, self.data, self.error = error.get("code"), error.get("data"), error


def result_of(message):
    if "error" in message:
        raise RpcError(message["error"])
    return message["result"]


def text_of(result):
    return "".join(part["text"] for part in result["content"] if part["type"] == "text")


def dumps(message) -> bytes:
    return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode()


class HttpClient:
    """One session; one kept-alive connection, reopened when it has ended."""

    def __init__(self, where, path="/mcp", host="localhost", version=VERSION, timeout=30.0, fields=None):
        self.where, self.path, self.host, self.version, self.timeout = where, path, host, version, timeout
        self.fields = dict(fields or {})
        self.session = None
        self.ids = itertools.count(1)
        self.connection = None
        self.notifications = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.connection:
            self.connection.close()

    def headers(self, extra=None):
        fields = {"Content-Type": "application/json", "Accept": ACCEPT, **self.fields}
        if self.session:
            fields["Mcp-Session-Id"] = self.session
            fields["MCP-Protocol-Version"] = self.version
        fields.update(extra or {})
        return fields

    def post(self, body: bytes, extra=None) -> http.Response:
        """One POST on the kept-alive connection; once more when the server had ended it meanwhile."""
        data = http.request_bytes("POST", self.path, self.headers(extra), body, self.host)
        for last in (False, True):
            fresh = self.connection is None
            if fresh:
                self.connection = http.Connection(self.where, self.timeout)
            try:
                self.connection.send(data)
                answer = self.connection.response()
            except (EOFError, ConnectionError):
                self.connection.close()
                self.connection = None
                if fresh or last:
                    raise
                continue
            if (answer.header("Connection") or "").lower() == "close":
                self.connection.close()
                self.connection = None
            return answer

    def exchange(self, message) -> dict:
        """A request and its response, from JSON or from an event stream (whose other messages are kept)."""
        answer = self.post(dumps(message))
        kind = (answer.header("Content-Type") or "").split(";")[0]
        if kind == "text/event-stream":
            found = None
            for _, _, data in answer.events():
                value = json.loads(data)
                if value.get("id") == message["id"] and ("result" in value or "error" in value):
                    found = value
                else:
                    self.notifications.append(value)
            assert found is not None, f"no answer on the stream: {answer.body!r}"
            return found
        assert answer.body, f"{answer.status} without body"
        return answer.json()

    def request(self, method, params=None, ident=None):
        message = {"jsonrpc": "2.0", "id": next(self.ids) if ident is None else ident, "method": method}
        if params is not None:
            message["params"] = params
        return result_of(self.exchange(message))

    def notify(self, method, params=None):
        message = {"jsonrpc": "2.0", "method": method}
        if params is not None:
            message["params"] = params
        answer = self.post(dumps(message))
        assert answer.status == 202 and not answer.body, answer
        return answer

    def initialize(self, capabilities=None):
        message = {"jsonrpc": "2.0", "id": next(self.ids), "method": "initialize",
                   "params": {"protocolVersion": self.version, "capabilities": capabilities or {}, "clientInfo": CLIENT}}
        answer = self.post(dumps(message))
        assert answer.status == 200, answer
        self.session = answer.header("Mcp-Session-Id")
        body = answer.json() if answer.header("Content-Type").startswith("application/json") else json.loads(answer.events()[0][2])
        result = result_of(body)
        self.version = result["protocolVersion"]
        self.notify("notifications/initialized")
        return result

    def tools(self):
        found, cursor = [], None
        while True:
            page = self.request("tools/list", {"cursor": cursor} if cursor else None)
            found += page["tools"]
            cursor = page.get("nextCursor")
            if not cursor:
                return found

    def call(self, name, arguments=None, ident=None, meta=None):
        params = {"name": name, "arguments": arguments or {}}
        if meta:
            params["_meta"] = meta
        return self.request("tools/call", params, ident)

    def delete(self) -> http.Response:
        return http.request(self.where, "DELETE", self.path, self.headers({"Content-Type": None}), host=self.host)

    def stream(self):
        """A standalone GET stream."""
        return EventStream(self.where, self.path, self.headers({"Content-Type": None, "Accept": "text/event-stream"}), self.host)


class ModernClient:
    """Requests of 2026-07-28 over HTTP: no session, a claim and the header fields that repeat it in each."""

    def __init__(self, where, capabilities=None, host="localhost"):
        self.where, self.host = where, host
        self.meta = {"io.modelcontextprotocol/protocolVersion": MODERN, "io.modelcontextprotocol/clientCapabilities": capabilities or {}}
        self.ids = itertools.count(1)

    def parts(self, method, params, ident):
        params = {**(params or {}), "_meta": {**self.meta, **(params or {}).get("_meta", {})}}
        fields = {"Content-Type": "application/json", "Accept": ACCEPT, "MCP-Protocol-Version": MODERN, "Mcp-Method": method}
        named = params.get("uri") if method == "resources/read" else params.get("name")
        if named and method in ("tools/call", "prompts/get", "resources/read"):
            fields["Mcp-Name"] = named
        return fields, dumps({"jsonrpc": "2.0", "id": ident, "method": method, "params": params})

    def post(self, method, params=None, extra=None, ident=None) -> http.Response:
        """`extra`: header fields to add, to change, or (None) to leave out."""
        fields, body = self.parts(method, params, ident or next(self.ids))
        return http.request(self.where, "POST", "/mcp", {**fields, **(extra or {})}, body, host=self.host)

    def request(self, method, params=None):
        answer = self.post(method, params)
        body = json.loads(answer.events()[-1][2]) if answer.header("Content-Type").startswith("text/event-stream") else answer.json()
        return result_of(body)

    def listen(self, ident="listen", **notifications):
        fields, body = self.parts("subscriptions/listen", {"notifications": notifications}, ident)
        return EventStream(self.where, "/mcp", fields, self.host, body)


class EventStream:
    """Reads events of an open stream in its own thread: of a GET, or with a body of a POST."""

    def __init__(self, where, path, fields, host, body=None):
        self.connection = http.Connection(where, 60.0)
        self.connection.send(http.request_bytes("GET" if body is None else "POST", path, fields, *([] if body is None else [body]), host=host))
        self.answer = self.connection.head()
        self.events, self.ended = [], threading.Event()
        self.changed = threading.Condition()
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        pending = b""
        try:
            while piece := self.connection.chunk():
                pending += piece
                while b"\n\n" in pending:
                    block, _, pending = pending.partition(b"\n\n")
                    with self.changed:
                        self.events += [json.loads(data) for _, _, data in http.parse_events(block.decode())]
                        self.changed.notify_all()
        except (OSError, EOFError):
            pass
        self.ended.set()
        with self.changed:
            self.changed.notify_all()

    def wait_for(self, check, seconds=10.0):
        with self.changed:
            assert self.changed.wait_for(lambda: any(map(check, self.events)) or self.ended.is_set(), seconds), self.events
            return next((event for event in self.events if check(event)), None)

    def close(self):
        self.connection.socket.shutdown(socket.SHUT_RDWR)
        self.thread.join(5)
        self.connection.close()


class LineClient:
    """Newline JSON over a Unix socket, or over the pipes of a process (`clawql stdio`)."""

    def __init__(self, where=None, process=None, timeout=30.0):
        self.process = process
        if process:
            self.reader, self.writer = process.stdout, process.stdin
        else:
            self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.socket.settimeout(timeout)
            self.socket.connect(str(where))
            self.reader, self.writer = self.socket.makefile("rb"), self.socket.makefile("wb", buffering=0)
        self.ids = itertools.count(1)
        self.notifications = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.writer.close()
        self.reader.close()
        if not self.process:
            self.socket.close()

    def send(self, message):
        self.send_raw(message if isinstance(message, bytes) else dumps(message) + b"\n")

    def send_raw(self, data: bytes):
        self.writer.write(data)
        self.writer.flush()

    def read(self):
        line = self.reader.readline()
        if not line:
            raise EOFError("the connection ended")
        return json.loads(line)

    def answer(self, ident):
        while True:
            message = self.read()
            if message.get("id") == ident and ("result" in message or "error" in message):
                return message
            self.notifications.append(message)

    def request(self, method, params=None, ident=None):
        ident = next(self.ids) if ident is None else ident
        message = {"jsonrpc": "2.0", "id": ident, "method": method}
        if params is not None:
            message["params"] = params
        self.send(message)
        return result_of(self.answer(ident))

    def initialize(self, version=VERSION):
        result = self.request("initialize", {"protocolVersion": version, "capabilities": {}, "clientInfo": CLIENT})
        self.send({"jsonrpc": "2.0", "method": "notifications/initialized"})
        return result

    def tools(self):
        return self.request("tools/list")["tools"]

    def call(self, name, arguments=None, ident=None):
        return self.request("tools/call", {"name": name, "arguments": arguments or {}}, ident)
