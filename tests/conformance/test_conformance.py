"""The official conformance suite through the gateway, at both revisions it has frozen requirements for, before a stdio
fixture that has no Host check of its own; alone and beside a second, prefixed server of the older era. Each scenario must
run every check that it runs when the same fixture is served over HTTP by its own SDK in the same run: the suite itself
prints a green tick for a scenario that ran fewer, or none."""
import collections
import json
import pathlib
import re
import subprocess

import pytest

from support import machine
from support.gateway import Gateway

FIXTURE = pathlib.Path(__file__).parent / "fixture.mjs"
SUITE = machine.MODULES / ".bin" / "conformance"
EVERYTHING = machine.MODULES / "@modelcontextprotocol" / "server-everything" / "dist" / "index.js"
SDK_PORT = 8900
REVISIONS = ("2025-11-25", "2026-07-28")
ENVIRONMENT = {"PATH": machine.TOOL_PATH, "HOME": str(pathlib.Path.home()), "CLAWQL_CACHE": str(machine.CACHE)}

# The suite runs these with the requirements but does not score them; the gateway must pass them too.
UNSCORED = {
    "2025-11-25": {"server-session-lifecycle", "server-sse-polling", "json-schema-2020-12"},
    "2026-07-28": {"http-header-validation", "http-custom-header-server-validation", "json-schema-2020-12"},
}
# The tasks extension of 2026-07-28: no fixture on any public SDK passes it, so there is nothing to compare with.
OUT_OF_SCOPE = re.compile("tasks-")
# Where the SDK alone is worse than the gateway, or another answer is as right: {scenario: {check: the statuses that are right here}}.
DIFFERENT = {
    "dns-rebinding-protection": {"localhost-host-rebinding-rejected": {"SUCCESS"}},  # the fixture checks no Host
    "server-sse-multiple-streams": {"server-sse-streams-functional": {"INFO", "SUCCESS"}},  # a list is answered as JSON, a slow one on a stream
}
TRACES = {"incoming-sse-event"}  # one a message seen, not a check


def node(*words, seconds=120):
    return subprocess.run([machine.NODE, *map(str, words)], capture_output=True, text=True, timeout=seconds, env=ENVIRONMENT)


class Run:
    """All scenarios of a revision's requirements against one URL: {scenario: {check id: [status]}}."""

    def __init__(self, url, revision, folder):
        done = node(SUITE, "server", "--url", url, "--requirements", revision, "-o", folder)
        self.output = done.stdout + done.stderr
        self.details, self.scenarios = {}, {}
        for path in folder.glob("server-*/checks.json"):
            scenario = re.fullmatch(r"server-(.+)-\d{4}-\d\d-\d\dT[\d-]+Z", path.parent.name)[1]
            checks = [check for check in json.loads(path.read_text()) if check["id"] not in TRACES]
            self.details[scenario] = json.dumps(checks, indent=1)
            self.scenarios[scenario] = collections.defaultdict(list)
            for check in checks:
                self.scenarios[scenario][check["id"]].append(check["status"])


def scenarios_of(revision):
    """The server scenarios that the suite's frozen requirements name, with those of an extension left out."""
    text = node(SUITE, "list", "--requirements", revision).stdout.split("Server scenarios")[1].split("Client scenarios")[0]
    names = [line.split()[1] for line in text.splitlines() if line.strip().startswith("- ")]
    assert names, "the suite listed nothing"
    return sorted({name for name in names if not OUT_OF_SCOPE.match(name)} | UNSCORED[revision])


def fixture_entry():
    return {"command": str(machine.NODE), "args": [str(FIXTURE)], "prefix": "", "isolation": "session",
            "env": {"CLAWQL_CACHE": str(machine.CACHE), "FIXTURE_RECONNECT_MS": "3000"}}


BESIDE = {"everything": {"command": str(machine.NODE), "args": [str(EVERYTHING), "stdio"]}}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A function (where, revision) → Run, each made once. `where`: sdk, gateway, or beside (a second server)."""
    made = {}

    def through_sdk(revision, folder):
        with machine.own_namespace():
            sdk = subprocess.Popen([machine.NODE, FIXTURE, "--http", str(SDK_PORT)], env=ENVIRONMENT)
            try:
                machine.eventually(lambda: f":{SDK_PORT} " in subprocess.run(["ss", "-Hltn"], capture_output=True, text=True).stdout, 10, "the SDK serves")
                return Run(f"http://localhost:{SDK_PORT}/mcp", revision, folder)
            finally:
                sdk.terminate()
                sdk.wait(10)

    def through_gateway(revision, folder, others):
        with machine.own_namespace() as space:
            gateway = Gateway(mcpServers={"fixture": fixture_entry(), **others}, limits={"eventStreamSeconds": 1})
            try:
                gateway.start()
                with gateway.client() as client:  # a server has started once its tools are listed
                    wanted = ["test_simple_text"] + [f"{name}__echo" for name in others]
                    machine.eventually(lambda: set(wanted) <= {tool["name"] for tool in client.tools()}, 30, "the servers' tools are listed")
                run = Run(f"http://localhost:{gateway.port}/mcp", revision, folder)
            finally:
                gateway.stop()
            space.wait_empty()
            return run

    def run(where, revision):
        if (where, revision) not in made:
            folder = tmp_path_factory.mktemp(f"{where}-{revision}")
            if where == "sdk":
                made[where, revision] = through_sdk(revision, folder)
            else:
                made[where, revision] = through_gateway(revision, folder, BESIDE if where == "beside" else {})
        return made[where, revision]

    return run


def wanted_of(scenario, baseline, found):
    """{check id: statuses} that the gateway must show, from what the SDK shows and, where several are right, from what was found."""
    assert baseline.get(scenario), f"the suite ran no check of {scenario} against the SDK"
    wanted = {check: sorted(statuses) for check, statuses in baseline[scenario].items()}
    for check, right in DIFFERENT.get(scenario, {}).items():
        assert check in wanted, f"{scenario} has no check {check} any more"
        wanted[check] = found[check] if len(found.get(check, [])) == 1 and set(found[check]) <= right else sorted(right)
    return wanted


CASES = [(where, revision, scenario) for revision in REVISIONS for where in ("gateway", "beside") for scenario in scenarios_of(revision)]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("where, revision, scenario", CASES)
def test_scenario_shows_every_check_that_it_shows_by_the_servers_own_sdk(runs, where, revision, scenario):
    baseline, run = runs("sdk", revision), runs(where, revision)
    assert run.scenarios.get(scenario), f"no check ran: {run.output[-4000:]}"
    found = {check: sorted(statuses) for check, statuses in run.scenarios[scenario].items()}
    wanted = wanted_of(scenario, baseline.scenarios, found)
    assert {status for listed in wanted.values() for status in listed} <= {"SUCCESS", "INFO"}, f"the SDK itself fails {scenario}: {baseline.details[scenario]}"
    assert found == wanted, run.details[scenario]
