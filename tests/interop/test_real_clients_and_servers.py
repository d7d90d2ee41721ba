"""Real clients call the tools of five real servers at once, each over HTTP and over `clawql stdio`."""
import pathlib
import secrets
import tempfile

import pytest

from interop import clients
from support import machine
from support.gateway import Gateway

SERVERS = ("everything", "files", "memory", "thinking", "time")


def package(name):
    return str(machine.MODULES / "@modelcontextprotocol" / name / "dist" / "index.js")


@pytest.fixture(scope="module")
def world():
    """A gateway with the five servers, all started, and a folder that the files server may use."""
    with machine.own_namespace() as space, tempfile.TemporaryDirectory(prefix="cqi") as folder:
        folder = pathlib.Path(folder)
        (folder / "files").mkdir()
        node = {"command": str(machine.NODE)}
        gateway = Gateway(mcpServers={
            "everything": {**node, "args": [package("server-everything"), "stdio"]},
            "files": {**node, "args": [package("server-filesystem"), str(folder / "files")]},
            "memory": {**node, "args": [package("server-memory")], "env": {"MEMORY_FILE_PATH": str(folder / "memory.jsonl")}},
            "thinking": {**node, "args": [package("server-sequential-thinking")]},
            "time": {"command": str(machine.CACHE / "python" / "bin" / "mcp-server-time"), "args": ["--local-timezone", "UTC"]},
        })
        try:
            gateway.start()
            with gateway.client() as client:
                machine.eventually(lambda: {tool["name"].split("__")[0] for tool in client.tools()} >= set(SERVERS), 30, "all servers list their tools")
            yield gateway, folder
            gateway.stop()
            space.wait_empty()
        finally:
            gateway.stop()


@pytest.fixture(params=["http", "stdio"])
def way(request, world):
    gateway, _ = world
    if request.param == "http":
        return {"url": f"http://localhost:{gateway.port}/mcp"}
    return {"command": [machine.program("clawql"), "stdio", "--socket", gateway.socket]}


@pytest.mark.timeout(180)
@pytest.mark.parametrize("name", clients.ALL)
def test_client_lists_and_calls_the_tools_of_every_server(world, way, name, tmp_path):
    _, folder = world
    client = clients.ALL[name](tmp_path, **way)
    client.open()
    try:
        names = client.list()
        assert len(names) == len(set(names))
        for server, least in (("everything", 8), ("files", 10), ("memory", 9), ("thinking", 1), ("time", 2), ("clawql", 2)):
            assert sum(n.startswith(server + "__") for n in names) >= least, (server, names)

        mark = secrets.token_hex(8)
        file = folder / "files" / f"{mark}.txt"
        client.call("files__write_file", {"path": str(file), "content": f"written by {name}: {mark} ✓"})
        assert file.read_text() == f"written by {name}: {mark} ✓"
        assert mark in client.call("files__read_text_file", {"path": str(file)})

        assert mark in client.call("everything__echo", {"message": mark})
        client.call("memory__create_entities", {"entities": [{"name": mark, "entityType": "test", "observations": [name]}]})
        assert mark in client.call("memory__search_nodes", {"query": mark})
        assert mark in (folder / "memory.jsonl").read_text()
        assert "UTC" in client.call("time__get_current_time", {"timezone": "UTC"})
        client.call("thinking__sequentialthinking", {"thought": mark, "nextThoughtNeeded": False, "thoughtNumber": 1, "totalThoughts": 1})
        assert '"ok": true' in client.call("clawql__cache", {"operation": "set", "key": mark, "value": name})
        assert name in client.call("clawql__cache", {"operation": "get", "key": mark})
    finally:
        client.close()
