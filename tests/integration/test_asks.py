"""Servers with `isolation`, and what they ask clients: sampling, elicitation and roots by real servers and a client on
the official SDK, through the whole gateway."""
import contextlib
import json
import subprocess

import pytest

from support import machine, mcp
from support.gateway import plain_server

CLIENT = machine.ROOT / "tests" / "integration" / "asking_client.cjs"
FIXTURE = machine.ROOT / "tests" / "conformance" / "fixture.mjs"
EVERYTHING = machine.MODULES / "@modelcontextprotocol" / "server-everything" / "dist" / "index.js"


def fixture_server(**entry):
    return {"command": str(machine.NODE), "args": [str(FIXTURE)], "isolation": "session", **entry}


class AskedClient:
    def __init__(self, one):
        self.process = subprocess.Popen([machine.NODE, CLIENT, f"http://localhost:{one.port}/mcp"], env=one.environment,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.asked = []
        assert self.next() == {"connected": True}

    def next(self):
        line = self.process.stdout.readline()
        assert line, "the client has ended"
        return json.loads(line)

    def order(self, **what):
        self.process.stdin.write(json.dumps(what) + "\n")
        self.process.stdin.flush()

    def answer(self):
        """Of the order before; what servers asked meanwhile is kept."""
        while "asked" in (line := self.next()):
            self.asked.append(line)
        return line

    def call(self, name, **arguments):
        self.order(call=name, arguments=arguments)
        return self.answer()

    def tools(self):
        self.order(list=True)
        return self.answer()["tools"]

    def leave(self):
        self.process.stdin.close()
        assert self.process.wait(20) == 0


@contextlib.contextmanager
def asked_client(one):
    client = AskedClient(one)
    try:
        yield client
    finally:
        client.process.kill()
        client.process.wait()


def ask_outcomes(one, method="sampling/createMessage"):
    return {record["event"]["outcome"] for record in one.audit_with(method) if record["event"]["subtype"] == method}


def servers_with(word):
    """Processes of servers, without their launchers."""
    return [p for p in machine.Namespace().processes() if word in " ".join(p.command) and p.name != "clawql-run"]


def test_servers_ask_the_client_of_their_session(gateway):
    one = gateway(mcpServers={"fix": fixture_server()})
    with asked_client(one) as client, one.client() as plain:
        machine.eventually(lambda: "fix__test_sampling" in client.tools(), 20)
        assert "a completion" in client.call("fix__test_sampling", prompt="Say something")["text"]
        assert client.asked.pop() == {"asked": "sampling", "text": "Say something"}
        assert "ada@example.com" in client.call("fix__test_elicitation", message="Who are you?")["text"]
        assert client.asked.pop() == {"asked": "elicitation", "message": "[fix] Who are you?"}
        assert "file:///home/ada" in client.call("fix__test_input_required_result_list_roots")["text"]
        assert client.asked.pop() == {"asked": "roots"}
        # A client that declared nothing is asked nothing: the server is told that there is no such feature.
        machine.eventually(lambda: "fix__test_sampling" in [tool["name"] for tool in plain.tools()], 20)
        assert plain.call("fix__test_sampling", {"prompt": "x"})["isError"]
        assert not [n for n in plain.notifications if "sampling" in n.get("method", "")]
        assert ask_outcomes(one) == {"intent", "success"}
        assert one.metrics()["clawql_asks_total"] == 3
        assert len(servers_with("fixture.mjs")) == 2
        client.leave()
        machine.eventually(lambda: len(servers_with("fixture.mjs")) == 1, 20, "a session's instance ends with it")


def test_server_everything_offers_a_session_what_its_client_can(gateway):
    entry = {"command": str(machine.NODE), "args": [str(EVERYTHING), "stdio"], "isolation": "session"}
    one = gateway(mcpServers={"all": entry})
    with asked_client(one) as client, one.client() as plain:
        machine.eventually(lambda: "all__trigger-sampling-request" in client.tools(), 20)
        assert {"all__trigger-elicitation-request", "all__get-roots-list"} <= set(client.tools())
        assert "a completion" in client.call("all__trigger-sampling-request", prompt="hello", maxTokens=10)["text"]
        assert "file:///home/ada" in client.call("all__get-roots-list")["text"]
        machine.eventually(lambda: "all__echo" in [tool["name"] for tool in plain.tools()], 20)
        assert "all__trigger-sampling-request" not in [tool["name"] for tool in plain.tools()]


def test_an_instance_that_is_killed_while_it_asks_fails_its_call_alone_and_comes_back(gateway):
    one = gateway(mcpServers={"fix": fixture_server(), "plain": plain_server()})
    with asked_client(one) as client:
        machine.eventually(lambda: "fix__test_sampling" in client.tools(), 20)
        client.order(call="fix__test_sampling", arguments={"prompt": "never"})
        assert client.next() == {"asked": "sampling", "text": "never"}
        servers_with("fixture.mjs")[0].kill()
        assert "error" in client.answer()
        machine.eventually(lambda: "cancelled" in ask_outcomes(one), 5)
        assert client.call("plain__echo", text="hi")["text"] == "hi"
        machine.eventually(lambda: "a completion" in client.call("fix__test_sampling", prompt="again").get("text", ""), 20)


@pytest.mark.parametrize("shards", [1, 2])
def test_sixteen_instances_run_and_the_seventeenth_session_is_told_why_its_calls_fail(gateway, shards):
    one = gateway(mcpServers={"plain": plain_server(isolation="session"), "other": plain_server()}, threads={"engine": shards})
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(one.client()) for _ in range(16)]
        for client in clients:
            machine.eventually(lambda client=client: "plain__pid" in [tool["name"] for tool in client.tools()], 30)
        pids = {mcp.text_of(client.call("plain__pid")) for client in clients}
        assert len(servers_with("plain.py")) == 17 and len(pids) >= 1
        late = stack.enter_context(one.client())
        assert mcp.text_of(late.call("other__echo", {"text": "hi"})) == "hi"
        with pytest.raises(mcp.RpcError) as caught:
            late.call("plain__pid")
        assert caught.value.data["reason"] == "limit.instances", caught.value.error
        assert clients[0].delete().status == 200
        machine.eventually(lambda: "plain__pid" in [tool["name"] for tool in late.tools()], 20)
        assert late.call("plain__pid")


def test_a_principals_instance_is_shared_by_his_sessions(gateway):
    one = gateway(mcpServers={"plain": plain_server(isolation="principal")})
    with one.client() as first, one.client() as second:
        for client in (first, second):
            machine.eventually(lambda client=client: "plain__pid" in [tool["name"] for tool in client.tools()], 20)
        assert len(servers_with("plain.py")) == 1
        lines = one.line_client()
        machine.eventually(lambda: "plain__pid" in [tool["name"] for tool in lines.tools()], 20)
        assert len(servers_with("plain.py")) == 2, "root on the socket is another principal than loopback"


def test_an_idle_instance_ends_and_the_next_call_starts_another(gateway):
    one = gateway(mcpServers={"plain": plain_server(isolation="session", instanceIdleSeconds=1)})
    with one.client() as client:
        machine.eventually(lambda: "plain__echo" in [tool["name"] for tool in client.tools()], 20)
        machine.eventually(lambda: not servers_with("plain.py"), 20, "it ends")
        assert mcp.text_of(client.call("plain__echo", {"text": "back"})) == "back"
