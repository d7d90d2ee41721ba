"""Two loops in the door and two shards in the engine: a client on either shard uses the servers of both, and what dies
or changes is dealt with on every thread."""
import asyncio
import json
import random
import threading

import pytest

from integration.test_many_clients import Http, Lines
from support import http, machine, mcp
from support.gateway import plain_server

THREADS = {"door": 2, "engine": 2}
CLIENTS = 200
CALLS = 16


def shard_of(name, shards=2):
    """FNV-1a, as the engine deals out its servers."""
    value = 2_166_136_261
    for byte in name.encode():
        value = (value ^ byte) * 16_777_619 % 2**32
    return value % shards


def names(count_each=1):
    """Names of servers: so many of each shard."""
    found = {0: [], 1: []}
    for number in range(100):
        name = f"server{number}"
        if len(found[shard_of(name)]) < count_each:
            found[shard_of(name)].append(name)
    return found[0] + found[1]


def named_server(name):
    """Its name stands in its command, so that its process can be told from the others'."""
    return plain_server(args=["-B", str(machine.SERVERS / "plain.py"), name])


def process_of(name):
    """As we see it: the pid that it knows is of a namespace of its own, if it has one."""
    return next(p for p in machine.Namespace().processes() if p.command[-1:] == [name] and p.name.startswith("python"))


def start(gateway, servers, **config):
    one = gateway(mcpServers={name: named_server(name) for name in servers}, threads=THREADS, **config)
    with one.client() as client:
        wait_for(client, servers)
    return one


def wait_for(client, servers):
    wanted = {f"{name}__echo" for name in servers}
    machine.eventually(lambda: wanted <= {tool["name"] for tool in client.tools()}, 15, f"{wanted} are listed")


def client_on(one, shard):
    """A session on that shard: they are dealt out in turn, so a few attempts are enough."""
    for _ in range(50):
        client = one.client()
        if int(client.session[:2], 16) == shard:
            return client
        client.connection.close()
    raise AssertionError(f"no session on shard {shard}")


def both_shards(one):
    return [client_on(one, 0), client_on(one, 1)]


def in_background(function):
    result = {}

    def run():
        try:
            result["value"] = function()
        except Exception as problem:  # looked at by the test
            result["error"] = problem

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread, result


def test_the_threads_are_there_and_locked_down(gateway):
    one = start(gateway, names())
    for process in (one.door, one.engine):
        tasks = machine.pathlib.Path(f"/proc/{process.pid}/task")
        statuses = [(task / "status").read_text() for task in tasks.iterdir()]
        assert len(statuses) == 2
        for status in statuses:
            assert "\nSeccomp:\t2\n" in status and "\nNoNewPrivs:\t1\n" in status


def test_two_hundred_clients_with_the_same_ids_on_servers_of_both_shards_see_only_their_own_answers(gateway):
    servers = names(2)
    one = start(gateway, servers, limits={"inFlightPeer": 4096, "inFlight": 8192})
    sessions = set()

    async def one_client(number, client):
        rng = random.Random(number)
        await client.open()
        if isinstance(client, Http):
            sessions.add(client.fields.split(": ", 1)[1][:2])
        idents = [value for n in range(CALLS) for value in (n, str(n))][:CALLS]
        wanted, messages = {}, []
        for ident in idents:
            server = rng.choice(servers)
            text = wanted[json.dumps(ident)] = f"client {number} id {ident!r} of {server}"
            slow = rng.random() < 0.2
            arguments = {"text": text, "seconds": rng.random() / 20} if slow else {"text": text}
            messages.append({"jsonrpc": "2.0", "id": ident, "method": "tools/call",
                             "params": {"name": f"{server}__{'slow' if slow else 'echo'}", "arguments": arguments}})
        answers = await client.calls(messages)
        assert {json.dumps(answer["id"]): mcp.text_of(answer["result"]) for answer in answers} == wanted
        client.close()

    async def everybody():
        clients = [Http(one.port) if number % 2 else Lines(one.socket) for number in range(CLIENTS)]
        await asyncio.gather(*(one_client(number, client) for number, client in enumerate(clients)))

    asyncio.run(asyncio.wait_for(everybody(), 90))
    assert sessions == {"00", "01"}

    # Every call has its intent and, later in the file, its outcome, whichever shard wrote them.
    intents, outcomes = {}, {}
    for position, record in enumerate(one.audit()):
        if record["event"]["subtype"] == "tools/call":
            place = intents if record["event"]["outcome"] == "intent" else outcomes
            assert record["call"] not in place, "a name was used twice"
            place[record["call"]] = position
    assert len(intents) == CLIENTS * CALLS and intents.keys() == outcomes.keys()
    assert all(intents[call] < outcomes[call] for call in intents)


def test_a_server_killed_mid_call_fails_the_calls_of_both_shards_and_the_next_works(gateway):
    servers = names()
    one = start(gateway, servers)
    clients = both_shards(one)
    for server in servers:
        calls = [in_background(lambda c=client, s=server: c.call(f"{s}__slow", {"seconds": 60, "text": "x"})) for client in clients]
        machine.eventually(lambda s=server: sum(r.get("tool") == "slow" and r.get("server") == s for r in one.audit()) == 2, 5,
                           "both intents are written")
        process_of(server).kill()
        for thread, result in calls:
            thread.join(10)
            assert isinstance(result.get("error"), mcp.RpcError) and result["error"].code == -32603, result
        for client in clients:
            machine.eventually(lambda c=client, s=server: answered(c, s), 15, f"{server} is back")


def answered(client, server):
    try:
        return mcp.text_of(client.call(f"{server}__echo", {"text": "again"})) == "again"
    except mcp.RpcError:
        return False


def test_a_reload_adds_and_takes_servers_on_every_shard_and_keeps_the_sessions(gateway):
    first, second, third, fourth = (*names(2)[:2], *names(2)[2:])
    one = start(gateway, [first, third])
    clients = both_shards(one)
    kept = process_of(first)
    answer = one.reload(mcpServers={name: named_server(name) for name in (first, second, fourth)})
    assert answer.status == 200, answer
    for client in clients:
        wait_for(client, [first, second, fourth])
        listed = {tool["name"] for tool in client.tools()}
        assert f"{third}__echo" not in listed
        for name in (first, second, fourth):
            assert mcp.text_of(client.call(f"{name}__echo", {"text": name})) == name
        with pytest.raises(mcp.RpcError):
            client.call(f"{third}__echo", {"text": "gone"})
    assert kept.alive, "a server whose entry stayed is the same process"


def test_the_door_killed_loses_no_session_of_either_shard(gateway):
    servers = names()
    one = start(gateway, servers)
    clients = both_shards(one)
    for _ in range(3):
        old = one.door
        old.kill()
        machine.eventually(lambda: not old.alive, 5)
        machine.eventually(one._ready, 5, "a new door serves")
        for client in clients:
            for server in servers:
                assert mcp.text_of(client.call(f"{server}__echo", {"text": "same session"})) == "same session"


def test_the_engine_killed_answers_open_calls_and_a_new_one_serves_on_both_shards(gateway):
    servers = names()
    one = start(gateway, servers)
    clients = both_shards(one)
    waiting = []
    for client, server in zip(clients, reversed(servers)):
        connection = http.Connection(one.port)
        body = mcp.dumps({"jsonrpc": "2.0", "id": 5, "method": "tools/call",
                          "params": {"name": f"{server}__slow", "arguments": {"seconds": 60}}})
        connection.send(http.request_bytes("POST", "/mcp", client.headers(), body))
        waiting.append(connection)
    machine.eventually(lambda: sum(r.get("tool") == "slow" for r in one.audit()) == 2, 5)
    old_servers = [p for p in machine.Namespace().processes() if "plain.py" in " ".join(p.command)]
    one.engine.kill()
    assert [connection.response().status for connection in waiting] == [502, 502]
    machine.eventually(one._ready, 10, "a new engine serves")
    for client in clients:
        answer = client.post(mcp.dumps({"jsonrpc": "2.0", "id": 6, "method": "ping"}))
        assert answer.status == 404
    machine.eventually(lambda: not any(p.alive for p in old_servers), 10, "its servers were ended")
    for client in both_shards(one):
        wait_for(client, servers)
        for server in servers:
            assert mcp.text_of(client.call(f"{server}__echo", {"text": "new"})) == "new"


def test_status_metrics_cache_and_audit_are_those_of_all_shards(gateway):
    servers = names()
    one = start(gateway, servers)
    before = one.status()["engine"]["sessions"]
    clients = both_shards(one)
    made = one.status()["engine"]["sessions"] - before
    assert made >= 2 and one.metrics()["clawql_sessions"] == before + made
    found = {server["name"]: server for server in one.status()["engine"]["servers"]}
    for name in servers:
        assert found[name]["state"] == "ready" and found[name]["server_name"], "what its owner alone knows"
    clients[1].call("clawql__cache", {"operation": "set", "key": "k", "value": "of loopback"})
    assert "of loopback" in mcp.text_of(clients[0].call("clawql__cache", {"operation": "get", "key": "k"}))
    clients[1].call(f"{servers[0]}__echo", {"text": "x"})
    assert servers[0] in mcp.text_of(clients[1].call("clawql__audit", {"operation": "list"}))


def test_a_change_of_a_list_reaches_streams_on_both_shards(gateway):
    servers = names()
    one = start(gateway, servers)
    clients = both_shards(one)
    streams = [client.stream() for client in clients]
    for server in servers:
        clients[0].call(f"{server}__grow")
    for stream, client in zip(streams, clients):
        stream.wait_for(lambda event: event.get("method") == "notifications/tools/list_changed")
        for server in servers:
            machine.eventually(lambda c=client, s=server: any(t["name"].startswith(f"{s}__grown") for t in c.tools()), 10)
        stream.close()


def test_progress_and_cancellation_cross_the_shards(gateway):
    servers = names()
    one = start(gateway, servers)
    for client in both_shards(one):
        for server in servers:
            client.notifications.clear()
            client.call(f"{server}__steps", {"steps": 20}, meta={"progressToken": "mine"})
            assert [n["params"]["progress"] for n in client.notifications] == list(range(1, 21))
            assert {n["params"]["progressToken"] for n in client.notifications} == {"mine"}


def test_a_flood_of_calls_drains_at_sigterm(gateway):
    """The fixture stops the gateway at the end and wants status 0: with calls under way between the shards."""
    servers = names()
    one = start(gateway, servers, limits={"drainSeconds": 1})
    for client in both_shards(one):
        for server in servers:
            in_background(lambda c=client_on(one, int(client.session[:2], 16)), s=server: c.call(f"{s}__slow", {"seconds": 60, "text": "x"}))
    machine.eventually(lambda: sum(r.get("tool") == "slow" for r in one.audit()) == 4, 5)
