"""The crowd: clients of every kind, each one's life a row of visits that end politely or not."""
import asyncio
import itertools
import json
import time

from chaos.ledger import Call
from chaos.wire import Ended, Wire, body_of
from support import http, mcp

BOUND = 25.0  # seconds within which a request is answered: the gateway gives a call 5, the rest is for a busy machine
CLAIM = {"io.modelcontextprotocol/protocolVersion": mcp.MODERN, "io.modelcontextprotocol/clientCapabilities": {}}
CONTENT = {"Content-Type": "application/json"}
EVENTS = {"Accept": "text/event-stream"}

# (tool, share, arguments made by a random generator)
PALETTE = [
    ("wild__echo", 20, lambda rng: {}), ("dual__echo", 20, lambda rng: {}), ("plain__echo", 10, lambda rng: {}), ("everything__echo", 8, lambda rng: {}),
    ("coming__echo", 4, lambda rng: {}), ("changing__echo", 4, lambda rng: {}),
    ("wild__slow", 4, lambda rng: {"seconds": rng.random() * 3}), ("dual__slow", 4, lambda rng: {"seconds": rng.random()}),
    ("wild__steps", 3, lambda rng: {"steps": 5, "seconds": rng.random() / 3}), ("dual__steps", 3, lambda rng: {"steps": 3, "seconds": 0.1}),
    ("dual__big", 3, lambda rng: {"bytes": rng.randint(1, 400_000)}), ("wild__grow", 0.5, lambda rng: {}), ("dual__grow", 0.5, lambda rng: {}),
    ("wild__flood", 0.7, lambda rng: {}), ("wild__garbage", 1, lambda rng: {}), ("dual__garbage", 1, lambda rng: {}), ("wild__twice", 2, lambda rng: {}),
    ("dual__twice", 2, lambda rng: {}), ("wild__stall", 0.3, lambda rng: {}), ("dual__stall", 0.3, lambda rng: {}), ("wild__exit", 0.1, lambda rng: {}),
    ("dual__exit", 0.1, lambda rng: {}),
]


class Refused(Exception):
    """The whole HTTP request was refused, without an answer to the message in it."""


class Member:
    """`world`: .port, .socket, .ledger. `where`: which of the two doors."""

    kind = "?"
    at_once = 1
    has_instance = False  # whether it may call the server that each session has of its own

    def __init__(self, world, number, rng, where):
        self.world, self.ledger, self.rng, self.where = world, world.ledger, rng, where
        self.name = f"c{number}"
        self.wire = Wire()
        self.tasks = []
        # The same ids in every client, as numbers and as strings of the same digits.
        self.ids = itertools.cycle([value for n in range(1, 9) for value in (n, str(n))])

    # -- what the kinds do differently
    async def open(self):
        raise NotImplementedError

    async def exchange(self, call):
        raise NotImplementedError

    async def goodbye(self):
        """Leaves politely."""

    async def abandon(self, call):
        """Leaves in the midst of this call; returns whether the visit is over."""
        raise NotImplementedError

    # -- one life
    async def live(self, until):
        while time.monotonic() < until:
            began = time.monotonic()
            try:
                async with asyncio.timeout(BOUND):
                    await self.open()
                await self.visit(min(until, time.monotonic() + self.rng.uniform(2, 12)))
            except Ended as ended:
                self.ledger.lose(self.kind, ended, began)
                await asyncio.sleep(0.1)
            except Refused:
                await asyncio.sleep(0.3)
            except TimeoutError:
                self.ledger.problem(f"{self.kind}: did not get in within {BOUND} s")
            finally:
                await self.leave()

    async def visit(self, until):
        while time.monotonic() < until:
            if self.rng.random() < 0.02:
                call = self.make_call()
                self.ledger.ask(call)
                self.ledger.withdraw(call)
                if await self.abandon(call):
                    return
            else:
                await asyncio.gather(*(self.ask(self.make_call()) for _ in range(self.rng.randint(1, self.at_once))))
            await asyncio.sleep(self.rng.expovariate(3))
        if self.rng.random() < 0.6:
            await self.goodbye()

    def make_call(self):
        if self.has_instance and self.rng.random() < 0.04:
            return Call(self.name, next(self.ids), "own__mine", who=f"<{self.name}.0>")
        tool, _, arguments = self.rng.choices(PALETTE, [share for _, share, _ in PALETTE])[0]
        return Call(self.name, next(self.ids), tool, **arguments(self.rng))

    async def ask(self, call):
        self.ledger.ask(call)
        try:
            async with asyncio.timeout(BOUND):
                message = await self.exchange(call)
            self.ledger.answer(self.kind, self.name, call, message)
        except TimeoutError:
            self.ledger.late(self.kind, call, BOUND)
            raise Ended("given up") from None
        except Refused as refused:
            self.ledger.errors[str(refused)] += 1

    async def leave(self):
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        self.tasks.clear()
        self.rng.choice([Wire.close, Wire.reset])(self.wire)
        self.wire = Wire()

    # -- what they share
    def in_background(self, work):
        task = asyncio.create_task(work)
        self.tasks.append(task)
        return task

    async def connected(self):
        if not self.wire.is_open():
            self.wire.close()
            self.wire = await Wire().connect(self.where)
        return self.wire

    async def message_of(self, answer, call):
        """The response in the body of an HTTP answer that is no stream."""
        body = await answer.body()
        message = json.loads(body) if body else {}
        if "id" not in message or message["id"] is None:
            if answer.status not in (429, 503):
                self.ledger.problem(f"{self.kind}: {call.tool} {call.text} got {answer.status} {body[:300]!r}")
            raise Refused(f"http {answer.status}")
        return message

    async def events_of(self, answer, call, found=None):
        """(the response if it came, the last event id, whether the stream ended as it should)"""
        last = None
        try:
            async for ident, _, data in answer.events():
                last = ident or last
                if data is None:
                    continue
                self.ledger.overhear(self.kind, self.name, data)
                message = json.loads(data)
                if "method" not in message:
                    if found:
                        self.ledger.problem(f"{self.kind}: {call.text} got a second answer: {data[:200]}")
                    found = message
        except Ended as ended:
            return found, last, ended
        return found, last, None


class HttpMember(Member):
    kind = "handshake, HTTP"
    has_instance = True
    listens = False

    async def post(self, message, wire=None):
        wire = wire or await self.connected()
        return await wire.request("POST", "/mcp", {**CONTENT, "Accept": mcp.ACCEPT, **self.session}, body_of(message))

    async def open(self):
        self.session = {}
        answer = await self.post({"jsonrpc": "2.0", "id": 1, "method": "initialize",
                                  "params": {"protocolVersion": mcp.VERSION, "capabilities": {}, "clientInfo": mcp.CLIENT}})
        if "mcp-session-id" not in answer.fields:
            await self.message_of(answer, Call(self.name, 1, "initialize"))
            raise Refused(f"http {answer.status}")
        self.session = {"Mcp-Session-Id": answer.fields["mcp-session-id"], "MCP-Protocol-Version": mcp.VERSION}
        await answer.body()
        answer = await self.post({"jsonrpc": "2.0", "method": "notifications/initialized"})
        await answer.body()
        if self.listens:
            self.in_background(self.listen())

    async def listen(self):
        """GET streams, one after the other, for notifications alone."""
        while True:
            wire = Wire()
            try:
                await wire.connect(self.where)
                answer = await wire.request("GET", "/mcp", {**EVENTS, **self.session})
                async with asyncio.timeout(self.rng.uniform(0.5, 6)):
                    async for _, _, data in answer.events():
                        self.ledger.overhear(self.kind, self.name, data or "")
                        if data and "method" not in json.loads(data):
                            self.ledger.problem(f"{self.kind}: a response on a GET stream: {data[:200]}")
            except (Ended, TimeoutError):
                await asyncio.sleep(0.1)
            finally:
                self.rng.choice([Wire.close, Wire.reset])(wire)

    async def exchange(self, call):
        answer = await self.post(call.message())
        if not answer.is_stream:
            return await self.message_of(answer, call)
        message, last, ended = await self.events_of(answer, call)
        while message is None:
            if last is None:
                raise ended or Ended("the stream ended without an answer and without an id to come back with")
            message, last = await self.resume(call, last)
        return message

    async def resume(self, call, last):
        wire = Wire()
        try:
            await wire.connect(self.where)
            answer = await wire.request("GET", "/mcp", {**EVENTS, **self.session, "Last-Event-ID": last})
            if answer.status != 200:
                body = await answer.body()
                if answer.status != 503:
                    self.ledger.problem(f"{self.kind}: {call.text} could not be resumed from {last}: {answer.status} {body!r}")
                    raise Refused(f"http {answer.status}")
                await asyncio.sleep(0.2)
                return None, last
            self.ledger.kinds["resumed streams"] += 1
            message, latest, _ = await self.events_of(answer, call)
            return message, latest or last
        except Ended:
            await asyncio.sleep(0.1)
            return None, last
        finally:
            wire.close()

    async def abandon(self, call):
        wire = await Wire().connect(self.where)
        way = self.rng.choice([Wire.reset, Wire.close, Wire.half_close])
        await wire.send(mcp_request(call, self.session))
        await asyncio.sleep(self.rng.random() / 3)
        way(wire)
        wire.close()
        return self.rng.random() < 0.2

    async def goodbye(self):
        answer = await (await self.connected()).request("DELETE", "/mcp", self.session)
        await answer.body()


def mcp_request(call, fields):
    return http.request_bytes("POST", "/mcp", {**CONTENT, "Accept": mcp.ACCEPT, **fields}, body_of(call.message()))


class StreamingMember(HttpMember):
    kind = "handshake, HTTP with a GET stream"
    listens = True


class ModernMember(Member):
    kind = "2026-07-28, HTTP"
    listens = False

    def parts(self, method, params, ident):
        fields = {**CONTENT, "Accept": mcp.ACCEPT, "MCP-Protocol-Version": mcp.MODERN, "Mcp-Method": method}
        if "name" in params:
            fields["Mcp-Name"] = params["name"]
        return fields, body_of({"jsonrpc": "2.0", "id": ident, "method": method, "params": {**params, "_meta": {**params.get("_meta", {}), **CLAIM}}})

    async def open(self):
        await self.connected()
        if self.listens:
            self.in_background(self.listen())

    async def listen(self):
        while True:
            wire = Wire()
            try:
                await wire.connect(self.where)
                fields, body = self.parts("subscriptions/listen", {"notifications": {"toolsListChanged": True}}, next(self.ids))
                answer = await wire.request("POST", "/mcp", fields, body)
                async with asyncio.timeout(self.rng.uniform(0.5, 8)):
                    async for _, _, data in answer.events():
                        self.ledger.overhear(self.kind, self.name, data or "")
            except (Ended, TimeoutError):
                await asyncio.sleep(0.1)
            finally:
                self.rng.choice([Wire.close, Wire.reset, Wire.half_close])(wire)
                wire.close()

    async def exchange(self, call):
        wire = await self.connected()
        answer = await wire.request("POST", "/mcp", *self.parts("tools/call", call.params(), call.ident))
        if not answer.is_stream:
            return await self.message_of(answer, call)
        message, _, ended = await self.events_of(answer, call)
        if message is None:
            raise ended or Ended("the stream ended without an answer")
        return message

    async def abandon(self, call):
        wire = await Wire().connect(self.where)
        fields, body = self.parts("tools/call", call.params(), call.ident)
        await wire.send(http.request_bytes("POST", "/mcp", fields, body))
        await asyncio.sleep(self.rng.random() / 3)
        self.rng.choice([Wire.reset, Wire.close, Wire.half_close])(wire)
        await asyncio.sleep(0.1)
        wire.close()
        return False


class ListeningMember(ModernMember):
    kind = "2026-07-28, HTTP with a listen stream"
    listens = True


class ConversationMember(Member):
    """One connection with several calls in flight, whose answers come in any order."""

    at_once = 3

    def expect(self, call):
        self.pending[json.dumps(call.ident)] = asyncio.get_running_loop().create_future()
        return self.pending[json.dumps(call.ident)]

    def heard(self, text):
        self.ledger.overhear(self.kind, self.name, text)
        message = json.loads(text)
        if "method" in message:
            return
        future = self.pending.pop(json.dumps(message.get("id")), None)
        if future is None:
            self.ledger.problem(f"{self.kind}: {self.name} got an answer to nothing: {text[:300]}")
        elif not future.done():
            future.set_result(message)

    def end(self, why):
        self.gone = why
        for future in self.pending.values():
            if not future.done():
                future.set_exception(Ended(why))
                future.exception()  # looked at, also where nobody waits any more
        self.pending.clear()

    async def hear(self, texts):
        try:
            async for text in texts:
                self.heard(text)
            self.end("it was closed")
        except Ended as ended:
            self.end(str(ended))

    async def exchange(self, call):
        if self.gone:
            raise Ended(self.gone)
        future = self.expect(call)
        await self.say(call.message())
        return await future

    async def begin(self, texts):
        self.pending, self.gone = {}, None
        self.in_background(self.hear(texts))

    async def initialize(self, version):
        call = Call(self.name, "first", "initialize")
        future = self.expect(call)
        await self.say({"jsonrpc": "2.0", "id": "first", "method": "initialize",
                        "params": {"protocolVersion": version, "capabilities": {}, "clientInfo": mcp.CLIENT}})
        if "result" not in await future:
            raise Refused("initialize")
        await self.say({"jsonrpc": "2.0", "method": "notifications/initialized"})

    async def abandon(self, call):
        self.expect(call)
        await self.say(call.message())
        await asyncio.sleep(self.rng.random() / 3)
        return True


class LineMember(ConversationMember):
    kind = "handshake, lines"
    has_instance = True

    async def lines(self):
        while True:
            yield (await self.wire.line()).decode()

    async def say(self, message):
        await self.wire.send(body_of(message) + b"\n")

    async def open(self):
        await self.connected()
        await self.begin(self.lines())
        await self.initialize(mcp.VERSION)


class ModernLineMember(LineMember):
    kind = "2026-07-28, lines"
    has_instance = False

    async def open(self):
        await self.connected()
        await self.begin(self.lines())
        if self.rng.random() < 0.5:
            await self.say({"jsonrpc": "2.0", "id": "listen", "method": "subscriptions/listen", "params": {"notifications": {"toolsListChanged": True}}})

    async def say(self, message):
        if "id" in message:
            message = {**message, "params": {**message["params"], "_meta": {**message["params"].get("_meta", {}), **CLAIM}}}
        await super().say(message)


class OldMember(ConversationMember):
    kind = "old SSE"
    at_once = 2
    has_instance = True

    async def open(self):
        await self.connected()
        answer = await self.wire.request("GET", "/sse", EVENTS)
        if answer.status != 200:
            raise Refused(f"http {answer.status}")
        self.place = asyncio.get_running_loop().create_future()
        await self.begin(self.stream(answer))
        await self.place
        await self.initialize("2024-11-05")

    async def stream(self, answer):
        try:
            async for _, event, data in answer.events():
                if event == "endpoint":
                    self.place.set_result(data)
                elif data:
                    yield data
        finally:
            if not self.place.done():
                self.place.set_exception(Ended("no endpoint"))
                self.place.exception()

    async def say(self, message):
        wire = await Wire().connect(self.where)
        try:
            answer = await wire.request("POST", self.place.result(), CONTENT, body_of(message))
            body = await answer.body()
        finally:
            wire.close()
        if answer.status == 202:
            return
        self.pending.pop(json.dumps(message.get("id")), None)
        if answer.status == 404:  # with its stream the session ended
            await asyncio.sleep(0.3)
            if self.gone:
                raise Ended(self.gone)
        if answer.status not in (429, 503):
            self.ledger.problem(f"{self.kind}: {message['method']} got {answer.status} {body[:300]!r}")
        raise Refused(f"http {answer.status}")


class Stranger(Member):
    """Comes by a name that is not allowed, and is sent away."""

    kind = "stranger"

    async def open(self):
        answer = await (await self.connected()).request("GET", "/healthz", {"Host": "evil.example"})
        await answer.body()
        if answer.status != 403:
            self.ledger.problem(f"{self.kind}: got {answer.status}")

    async def visit(self, until):
        await asyncio.sleep(self.rng.random())


class SlowReader(HttpMember):
    """Asks for much, takes nothing of it, and leaves."""

    kind = "slow reader"

    async def visit(self, until):
        while time.monotonic() < until:
            wires = []
            for _ in range(3):
                wire = await Wire().connect(self.where)
                wire.writer.transport.pause_reading()
                call = Call(self.name, next(self.ids), "dual__big", bytes=1_000_000)
                self.ledger.ask(call)
                self.ledger.withdraw(call)
                await wire.send(mcp_request(call, self.session))
                wires.append(wire)
            await asyncio.sleep(self.rng.uniform(0.5, 3))
            for wire in wires:
                wire.reset()
            await asyncio.sleep(self.rng.uniform(0.5, 2))
