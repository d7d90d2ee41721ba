"""A raw HTTP/1.1 client: sends exactly the bytes it is given, whole or in pieces, and reads answers strictly."""
import json
import socket
import time


class Response:
    def __init__(self, status, reason, fields, body):
        self.status, self.reason, self.fields, self.body = status, reason, fields, body

    def header(self, name):
        values = [value for key, value in self.fields if key.lower() == name.lower()]
        assert len(values) <= 1, f"{name} came {len(values)} times"
        return values[0] if values else None

    def json(self):
        return json.loads(self.body)

    def events(self):
        return parse_events(self.body.decode())

    def __repr__(self):
        return f"<{self.status} {self.body[:200]!r}>"


def parse_events(text):
    """SSE text → [(event, id, data)]; events without data are left out."""
    events = []
    for block in text.replace("\r\n", "\n").split("\n\n"):
        name, ident, data = "message", None, []
        for line in block.split("\n"):
            key, _, value = line.partition(":")
            value = value[1:] if value.startswith(" ") else value
            if key == "event":
                name = value
            elif key == "id":
                ident = value
            elif key == "data":
                data.append(value)
        if any(data):
            events.append((name, ident, "\n".join(data)))
    return events


class Connection:
    """`where`: a port on 127.0.0.1, an (address, port), or the path of a Unix socket."""

    def __init__(self, where, timeout=20.0):
        if isinstance(where, int):
            where = ("127.0.0.1", where)
        if isinstance(where, tuple):
            self.socket = socket.create_connection(where, timeout)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        else:
            self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.socket.settimeout(timeout)
            self.socket.connect(str(where))
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, data: bytes, split=None, pause=0.0):
        """`split`: None = at once; a number = pieces of that size; a list of offsets = cut there."""
        if split is None:
            self.socket.sendall(data)
            return
        cuts = list(range(0, len(data), split)) + [len(data)] if isinstance(split, int) else [0, *split, len(data)]
        for begin, end in zip(cuts, cuts[1:]):
            self.socket.sendall(data[begin:end])
            if pause:
                time.sleep(pause)

    def _more(self):
        piece = self.socket.recv(65536)
        if not piece:
            raise EOFError("the connection ended")
        self.buffer += piece

    def _until(self, mark: bytes) -> bytes:
        while mark not in self.buffer:
            self._more()
        taken, _, self.buffer = self.buffer.partition(mark)
        return taken

    def _exactly(self, count: int) -> bytes:
        while len(self.buffer) < count:
            self._more()
        taken, self.buffer = self.buffer[:count], self.buffer[count:]
        return taken

    def head(self) -> Response:
        """Status line and fields; the body is left to the caller (event streams)."""
        lines = self._until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        version, status, *reason = lines[0].split(" ", 2)
        assert version == "HTTP/1.1", lines[0]
        fields = [tuple(part.strip() for part in line.split(":", 1)) for line in lines[1:]]
        return Response(int(status), reason[0] if reason else "", fields, b"")

    def chunk(self) -> bytes:
        """One chunk of a chunked body; b"" is the last one."""
        size = int(self._until(b"\r\n").split(b";")[0], 16)
        data = self._exactly(size)
        assert self._exactly(2) == b"\r\n"
        return data

    def response(self, method="POST") -> Response:
        answer = self.head()
        while 100 <= answer.status < 200:
            answer = self.head()
        if method == "HEAD" or answer.status in (204, 304):
            return answer
        length, coding = answer.header("Content-Length"), answer.header("Transfer-Encoding")
        assert not (length and coding), "the answer has both Content-Length and Transfer-Encoding"
        if coding:
            assert coding.lower() == "chunked", coding
            while piece := self.chunk():
                answer.body += piece
        elif length is not None:
            answer.body = self._exactly(int(length))
        elif (answer.header("Connection") or "").lower() == "close":
            answer.body = self.rest()
        return answer

    def rest(self) -> bytes:
        """Everything until the other side ends the connection."""
        while True:
            try:
                self._more()
            except (EOFError, ConnectionResetError):
                taken, self.buffer = self.buffer, b""
                return taken

    def closed(self, seconds=5.0) -> bool:
        """Whether the other side ends the connection within the time, having sent nothing more."""
        self.socket.settimeout(seconds)
        try:
            return not self.buffer and self.socket.recv(1) == b""
        except ConnectionResetError:
            return True
        except TimeoutError:
            return False


def request_bytes(method, path, fields=None, body=b"", host="localhost"):
    lines = [f"{method} {path} HTTP/1.1"]
    given = dict(fields or {})
    if host is not None and "Host" not in given:
        lines.append(f"Host: {host}")
    lines += [f"{key}: {value}" for key, value in given.items() if value is not None]
    if (body or method == "POST") and "Content-Length" not in given and "Transfer-Encoding" not in given:
        lines.append(f"Content-Length: {len(body)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body


def request(where, method, path, fields=None, body=b"", host="localhost", timeout=20.0) -> Response:
    with Connection(where, timeout) as connection:
        connection.send(request_bytes(method, path, fields, body, host))
        return connection.response(method)
