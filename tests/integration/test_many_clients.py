"""Two hundred clients at once with colliding ids: each must only ever see its own answers."""
import asyncio
import json
import random

import pytest

from support import machine, mcp
from support.gateway import plain_server

CLIENTS = 200
CALLS = 15


async def read_http(reader):
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    status = int(head.split(" ", 2)[1])
    fields = {k.strip().lower(): v.strip() for k, v in (line.split(":", 1) for line in head.split("\r\n")[1:] if ":" in line)}
    body = b""
    if "content-length" in fields:
        body = await reader.readexactly(int(fields["content-length"]))
    elif fields.get("transfer-encoding") == "chunked":
        while size := int((await reader.readuntil(b"\r\n")).strip(), 16):
            body += await reader.readexactly(size)
            await reader.readexactly(2)
        await reader.readexactly(2)
    if fields.get("content-type", "").startswith("text/event-stream"):
        body = [line[6:] for line in body.split(b"\n") if line.startswith(b"data: ")][-1]
    return status, fields, json.loads(body) if body else None


class Http:
    def __init__(self, port):
        self.port, self.fields = port, ""

    async def open(self):
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        _, fields, answer = await self.post({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
            "protocolVersion": mcp.VERSION, "capabilities": {}, "clientInfo": mcp.CLIENT}})
        assert answer["id"] == 1
        self.fields = f"Mcp-Session-Id: {fields['mcp-session-id']}\r\nMCP-Protocol-Version: {mcp.VERSION}\r\n"
        assert (await self.post({"jsonrpc": "2.0", "method": "notifications/initialized"}))[0] == 202

    async def post(self, message):
        body = mcp.dumps(message)
        self.writer.write(f"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nAccept: {mcp.ACCEPT}\r\n"
                          f"{self.fields}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        return await read_http(self.reader)

    async def calls(self, messages):
        return [(await self.post(message))[2] for message in messages]

    def close(self):
        self.writer.close()


class Lines:
    def __init__(self, path, at_once=1):
        self.path, self.at_once = str(path), at_once

    async def open(self):
        self.reader, self.writer = await asyncio.open_unix_connection(self.path, limit=1 << 22)
        await self.calls([{"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
            "protocolVersion": mcp.VERSION, "capabilities": {}, "clientInfo": mcp.CLIENT}}])
        self.writer.write(mcp.dumps({"jsonrpc": "2.0", "method": "notifications/initialized"}) + b"\n")

    async def calls(self, messages):
        """`at_once` in flight at a time; the answers of each handful come in any order."""
        answers = []
        for first in range(0, len(messages), self.at_once):
            some = messages[first:first + self.at_once]
            self.writer.write(b"".join(mcp.dumps(message) + b"\n" for message in some))
            wanted = len(answers) + len(some)
            while len(answers) < wanted:
                message = json.loads(await self.reader.readline())
                if "id" in message:
                    answers.append(message)
        return answers

    def close(self):
        self.writer.close()


async def one_client(number, client):
    rng = random.Random(number)
    await client.open()
    # The same ids in every client, as numbers and as strings of the same digits.
    idents = [value for n in range(CALLS) for value in (n, str(n))][:CALLS]
    wanted = {json.dumps(ident): f"client {number} id {ident!r}" for ident in idents}
    messages = []
    for ident in idents:
        text = wanted[json.dumps(ident)]
        name, arguments = ("plain__echo", {"text": text}) if rng.random() < 0.8 else ("plain__slow", {"text": text, "seconds": rng.random() / 20})
        messages.append({"jsonrpc": "2.0", "id": ident, "method": "tools/call", "params": {"name": name, "arguments": arguments}})
    answers = await client.calls(messages)
    seen = {json.dumps(answer["id"]): mcp.text_of(answer["result"]) for answer in answers}
    assert seen == wanted
    client.close()


# All of them are two peers. At the default limits (256 in flight of a peer) the hundred on the socket send two at a time;
# with wider limits all of theirs at once.
WIDE = {"inFlightPeer": 4096, "inFlightServer": 4096, "inFlight": 8192}


@pytest.mark.parametrize("door,engine,at_once,limits", [(1, 1, 2, {}), (2, 2, 2, {}), (1, 1, CALLS, WIDE), (2, 1, CALLS, WIDE), (2, 2, CALLS, WIDE)])
def test_two_hundred_clients_with_the_same_ids_see_only_their_own_answers(gateway, door, engine, at_once, limits):
    one = gateway(mcpServers={"plain": plain_server()}, threads={"door": door, "engine": engine}, limits=limits)
    with one.client() as client:
        machine.eventually(lambda: "plain__echo" in [tool["name"] for tool in client.tools()], 10)

    async def everybody():
        clients = [Http(one.port) if number % 2 else Lines(one.socket, at_once) for number in range(CLIENTS)]
        await asyncio.gather(*(one_client(number, client) for number, client in enumerate(clients)))

    asyncio.run(asyncio.wait_for(everybody(), 60))
    assert sum(1 for record in one.audit() if record.get("event", record).get("outcome") == "error") == 0


def test_calls_over_the_limit_of_a_peer_are_refused_by_their_own_ids_and_the_others_answered(gateway):
    one = gateway(mcpServers={"plain": plain_server()}, limits={"inFlightSession": 4, "inFlightPeer": 4})
    with one.line_client() as client:
        machine.eventually(lambda: "plain__slow" in [tool["name"] for tool in client.tools()], 10)
        for ident in range(100, 110):
            client.send({"jsonrpc": "2.0", "id": ident, "method": "tools/call",
                         "params": {"name": "plain__slow", "arguments": {"text": f"of {ident}", "seconds": 1}}})
        answers = {}
        while len(answers) < 10:
            message = client.read()
            if "id" in message:
                assert message["id"] not in answers, message
                answers[message["id"]] = message
    assert sorted(answers) == list(range(100, 110))
    answered = [ident for ident, answer in answers.items() if "result" in answer]
    assert len(answered) == 4
    for ident, answer in answers.items():
        if ident in answered:
            assert mcp.text_of(answer["result"]) == f"of {ident}"
        else:
            assert answer["error"]["data"]["reason"] == "limit.requests", answer


def test_cached_values_are_separate_for_each_principal_and_shared_within_one(gateway):
    one = gateway()
    with one.client() as tcp, one.line_client() as unix, one.client() as other:
        tcp.call("clawql__cache", {"operation": "set", "key": "k", "value": "of loopback"})
        assert "of loopback" in mcp.text_of(other.call("clawql__cache", {"operation": "get", "key": "k"}))
        assert '"hit": false' in mcp.text_of(unix.call("clawql__cache", {"operation": "get", "key": "k"}))


def test_an_id_in_flight_cannot_be_used_again_and_the_first_call_is_answered(gateway):
    one = gateway(mcpServers={"plain": plain_server()})
    with one.line_client() as client:
        machine.eventually(lambda: "plain__slow" in [tool["name"] for tool in client.tools()], 10)
        call = {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": "plain__slow", "arguments": {"text": "first", "seconds": 0.5}}}
        client.send(call)
        client.send({**call, "params": {"name": "plain__echo", "arguments": {"text": "second"}}})
        answers = [client.answer(7), client.answer(7)]
        assert sorted("error" in answer for answer in answers) == [False, True]
        assert "first" in json.dumps(answers)
