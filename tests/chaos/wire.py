"""Raw connections of the crowd, many in one thread: HTTP/1.1 read strictly and as it comes, and lines."""
import asyncio
import json
import socket
import struct

from support import http, mcp

LIMIT = 8 << 20  # of one chunk or line


class Ended(Exception):
    """The connection ended, or could not be made."""


class Wire:
    def __init__(self):
        self.reader = self.writer = None

    async def connect(self, where):
        try:
            if isinstance(where, int):
                self.reader, self.writer = await asyncio.open_connection("127.0.0.1", where, limit=LIMIT)
            else:
                self.reader, self.writer = await asyncio.open_unix_connection(str(where), limit=LIMIT)
        except OSError as problem:
            raise Ended(problem) from None
        return self

    async def send(self, data):
        try:
            self.writer.write(data)
            await self.writer.drain()
        except OSError as problem:
            raise Ended(problem) from None

    async def _read(self, reading):
        try:
            return await reading
        except (OSError, asyncio.IncompleteReadError) as problem:
            raise Ended(problem) from None

    # -- lines
    async def line(self):
        line = await self._read(self.reader.readline())
        if not line.endswith(b"\n"):
            raise Ended("the last line was cut" if line else "no more lines")
        return line

    # -- HTTP
    async def request(self, method, path, fields, body=b""):
        await self.send(http.request_bytes(method, path, fields, body))
        head = (await self._read(self.reader.readuntil(b"\r\n\r\n"))).decode("latin-1").split("\r\n")
        fields = {name.strip().lower(): value.strip() for name, value in (line.split(":", 1) for line in head[1:] if line)}
        return Answer(self, int(head[0].split(" ")[1]), fields)

    def is_open(self):
        return self.writer is not None and not self.writer.is_closing() and not self.reader.at_eof()

    # -- ends
    def close(self):
        if self.writer:
            self.writer.close()

    def half_close(self):
        if self.writer and self.writer.can_write_eof() and not self.writer.is_closing():
            self.writer.write_eof()

    def reset(self):
        if self.writer and not self.writer.is_closing():
            self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.writer.transport.abort()


class Answer:
    def __init__(self, wire, status, fields):
        self.wire, self.status, self.fields = wire, status, fields
        self.is_stream = fields.get("content-type", "").startswith("text/event-stream")

    async def _chunks(self):
        while size := int((await self.wire._read(self.wire.reader.readuntil(b"\r\n"))).strip(), 16):
            yield await self.wire._read(self.wire.reader.readexactly(size))
            await self.wire._read(self.wire.reader.readexactly(2))
        await self.wire._read(self.wire.reader.readexactly(2))

    async def body(self):
        if "chunked" in self.fields.get("transfer-encoding", ""):
            return b"".join([piece async for piece in self._chunks()])
        if "content-length" in self.fields:
            return await self.wire._read(self.wire.reader.readexactly(int(self.fields["content-length"])))
        return b"" if self.status in (202, 204) else await self.wire._read(self.wire.reader.read())

    async def json(self):
        return json.loads(await self.body())

    async def events(self):
        """(id, event, data or None) as they come; ends with the last chunk."""
        pending = b""
        async for piece in self._chunks():
            pending += piece
            while b"\n\n" in pending:
                block, _, pending = pending.partition(b"\n\n")
                parts = dict(line.split(": ", 1) for line in block.decode().split("\n") if ": " in line)
                yield parts.get("id"), parts.get("event", "message"), parts.get("data") or None
        if pending:
            raise Ended("an event was cut")


def body_of(message):
    return mcp.dumps(message)
