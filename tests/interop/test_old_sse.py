"""Real clients over HTTP+SSE (2024-11-05): each lists the tools of two servers and calls them."""
import secrets

import pytest

from interop import clients
from support import machine
from support.gateway import Gateway


class SseInspector(clients.Inspector):
    def target(self):
        return ["mcp-inspector", "--cli", self.url, "--transport", "sse"]


class SseSdk(clients.Sdk):
    def target(self):
        return [str(machine.NODE), clients.HERE / "sdk_client.cjs", "sse", self.url]


class ThroughMcpRemote(clients.Sdk):
    """A client that knows stdio alone, with npm's mcp-remote between it and the gateway."""

    def target(self):
        return [str(machine.NODE), clients.HERE / "sdk_client.cjs", "stdio", "mcp-remote", self.url, "--allow-http", "--transport", "sse-only"]


CLIENTS = {"sdk": SseSdk, "inspector": SseInspector, "mcp-remote": ThroughMcpRemote}


@pytest.fixture(scope="module")
def gateway():
    with machine.own_namespace() as space:
        everything = machine.MODULES / "@modelcontextprotocol" / "server-everything" / "dist" / "index.js"
        one = Gateway(mcpServers={"everything": {"command": str(machine.NODE), "args": [str(everything), "stdio"]},
                                  "time": {"command": str(machine.CACHE / "python" / "bin" / "mcp-server-time"), "args": ["--local-timezone", "UTC"]}})
        try:
            one.start()
            with one.client() as client:
                machine.eventually(lambda: {tool["name"].split("__")[0] for tool in client.tools()} >= {"everything", "time"}, 30, "both servers list their tools")
            yield one
            one.stop()
            space.wait_empty()
        finally:
            one.stop()


@pytest.mark.timeout(120)
@pytest.mark.parametrize("name", CLIENTS)
def test_client_lists_and_calls(gateway, name, tmp_path):
    calls = 'clawql_mcp_messages_total{method="tools/call"}'
    before = gateway.metrics()[calls]
    client = CLIENTS[name](tmp_path, url=f"http://localhost:{gateway.port}/sse")
    names = client.list()
    assert len(names) == len(set(names))
    for server, least in (("everything", 8), ("time", 2), ("clawql", 2)):
        assert sum(n.startswith(server + "__") for n in names) >= least, (server, names)
    mark = secrets.token_hex(8)
    assert mark in client.call("everything__echo", {"message": mark})
    assert "UTC" in client.call("time__get_current_time", {"timezone": "UTC"})
    assert gateway.metrics()[calls] == before + 2
    machine.eventually(lambda: gateway.metrics()["clawql_sessions"] <= 1, 20, "its sessions end with its streams")
