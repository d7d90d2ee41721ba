"""Every client against every server, feature by feature: directly over stdio, and through a gateway that has all servers
behind it, over HTTP and over `clawql stdio`. The result is {(client, server, feature, way): Cell}."""
import concurrent.futures
import dataclasses
import json
import os
import pathlib
import subprocess
import tempfile

from interop import plan
from interop.drivers import command_lines
from support import machine

HERE = pathlib.Path(__file__).parent
PYTHON = machine.CACHE / "python" / "bin" / "python"
EVERYTHING = machine.MODULES / "@modelcontextprotocol" / "server-everything" / "dist" / "index.js"
WAYS = ("direct", "http", "stdio")

# `env` because some clients start a server with few variables of their own.
_WITH_CACHE = ["/usr/bin/env", f"CLAWQL_CACHE={machine.CACHE}"]
SERVERS = {
    "typescript-1": [*_WITH_CACHE, machine.NODE, HERE / "servers" / "typescript_1.mjs", "typescript-1"],
    "typescript-2": [*_WITH_CACHE, machine.NODE, HERE / "servers" / "typescript_2.mjs", "typescript-2"],
    "python": [PYTHON, "-B", HERE / "servers" / "python.py", "python"],
    "go": [machine.CACHE / "interop" / "server", "go"],
    "everything": [machine.NODE, EVERYTHING, "stdio"],
}
SERVERS = {name: [str(word) for word in command] for name, command in SERVERS.items()}
_DRIVERS = {
    "typescript-1": [machine.NODE, HERE / "drivers" / "typescript_1.mjs"],
    "typescript-2-legacy": [machine.NODE, HERE / "drivers" / "typescript_2.mjs", "legacy"],
    "typescript-2-modern": [machine.NODE, HERE / "drivers" / "typescript_2.mjs", "modern"],
    "python": [PYTHON, "-B", HERE / "drivers" / "python.py"],
    "go": [machine.CACHE / "interop" / "client"],
    "mcp-remote": [machine.NODE, HERE / "drivers" / "typescript_1.mjs"],  # a client of it: it makes stdio of a URL
}
CLIENTS = (*_DRIVERS, *command_lines.PROGRAMS)
# Opens a connection for each command and can be asked nothing, so it uses servers that all share, as is the default; the
# sessions of the others have servers of their own.
SHARING = ("mcporter",)
# These speak 2026-07-28 to the gateway, which has no sessions: they share processes, so one of them runs after the other.
MODERN = ("typescript-2-modern", "python", "go")
_ENVIRONMENT = {"PATH": machine.TOOL_PATH, "CLAWQL_CACHE": str(machine.CACHE), "LANG": "C.UTF-8"}


@dataclasses.dataclass
class Cell:
    ok: bool
    why: str  # one line, when it is not ok
    able: bool = True  # whether the client has any way to do it


def ways_of(client):
    return ("http",) if client == "mcp-remote" else WAYS


def _run_driver(client, home, target, checks):
    command = [*_DRIVERS[client]]
    if client == "mcp-remote":
        command += ["stdio", "mcp-remote", target["url"], "--allow-http", "--transport", "http-only"]
    else:
        command += ["http", target["url"]] if "url" in target else ["stdio", *target["command"]]
    done = subprocess.run([str(word) for word in command], input=json.dumps(checks), capture_output=True, text=True, timeout=300,
                          env={**_ENVIRONMENT, "HOME": str(home)}, cwd=home)
    results = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    if not results:  # it did not even connect
        lines = [line for line in done.stderr.splitlines() if "rror" in line] or done.stderr.splitlines() or ["no output"]
        results = [{"server": check["server"], "feature": check["feature"], "ok": False, "why": f"no connection: {lines[0].strip()[:250]}"} for check in checks]
    return results


def _run(client, target, brief, checks):
    """[result] of one connection of a client, in a home of its own; `brief` is for its connections of a single request."""
    with tempfile.TemporaryDirectory(prefix="cqi") as home:
        home = pathlib.Path(home)
        try:
            if client in command_lines.PROGRAMS:
                return command_lines.try_features(client, home, target, brief, checks)
            return _run_driver(client, home, target, checks)
        except (AssertionError, subprocess.TimeoutExpired, ValueError) as problem:
            why = " ".join(f"{problem}".split())[:250]
            return [{"server": check["server"], "feature": check["feature"], "ok": False, "why": f"no connection: {why}"} for check in checks]


def _into(cells, way, client, results):
    for result in results:
        cells[client, result["server"], result["feature"], way] = Cell(result["ok"], result["why"], result.get("able", True))


def _gather(lanes):
    """lanes: [[(way, client, target, brief, checks)]] → cells. The jobs of a lane run one after the other, lanes side by
    side: two at a time a processor."""
    cells = {}

    def run(lane):
        for way, client, target, brief, checks in lane:
            _into(cells, way, client, _run(client, target, brief, checks))

    with concurrent.futures.ThreadPoolExecutor(2 * (os.cpu_count() or 1)) as pool:
        for done in [pool.submit(run, lane) for lane in lanes]:
            done.result()
    return cells


def direct(clients=CLIENTS, servers=SERVERS):
    def job(client, server):
        target = {"command": SERVERS[server]}
        return "direct", client, target, target, plan.plan(server)

    return _gather([[job(client, server)] for client in clients if "direct" in ways_of(client) for server in servers])


def entries(isolation):
    """`mcpServers` of a gateway that has every server of the matrix behind it."""
    return {name: {"command": command[0], "args": command[1:], "isolation": isolation} for name, command in SERVERS.items()}


def _target(gateway, way, clawql):
    return {"url": f"http://localhost:{gateway.port}/mcp"} if way == "http" else {"command": [str(clawql), "stdio", "--socket", str(gateway.socket)]}


def through(shared, own, clawql, clients=CLIENTS, servers=SERVERS):
    """`shared`: a gateway whose servers all clients share, as is the default, for programs that can be asked nothing. `own`:
    one where each session has its own. `clawql`: the program whose `stdio` command a client starts."""
    def job(client, way):
        brief = _target(shared, way, clawql)
        target = brief if client in SHARING else _target(own, way, clawql)
        return way, client, target, brief, [check for server in servers for check in plan.plan(server, f"{server}__")]

    jobs = [job(client, way) for client in reversed(clients) for way in ways_of(client) if way != "direct"]
    modern = [one for one in jobs if one[1] in MODERN]
    return _gather([modern, *([one] for one in jobs if one not in modern)])
