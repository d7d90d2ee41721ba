"""The official conformance suite through the gateway, before a fixture that has no Host check of its own. Each scenario
is run by name; a run without checks is a failure (the suite itself prints a green tick for it), and the number of checks
must be that of the same fixture served over HTTP by its own SDK, so that none gets lost on the way."""
import collections
import json
import pathlib
import subprocess
import tempfile

import pytest

from support import machine
from support.gateway import Gateway

REVISION = "2025-11-25"
FIXTURE = pathlib.Path(__file__).parent / "fixture.mjs"
SUITE = machine.MODULES / ".bin" / "conformance"
SDK_PORT = 8900

REQUIRED = [
    "server-initialize", "ping", "logging-set-level", "tools-list", "tools-call-simple-text", "tools-call-image", "tools-call-audio",
    "tools-call-embedded-resource", "tools-call-mixed-content", "tools-call-with-logging", "tools-call-error", "tools-call-with-progress",
    "server-sse-multiple-streams", "dns-rebinding-protection", "server-session-lifecycle",
]
# Not yet: features that the gateway does not offer so far. A scenario leaves this list by moving to the one above.
NOT_YET = [
    "completion-complete", "tools-call-sampling", "tools-call-elicitation", "elicitation-sep1034-defaults", "elicitation-sep1330-enums",
    "resources-list", "resources-read-text", "resources-read-binary", "resources-templates-read", "resources-subscribe",
    "resources-unsubscribe", "prompts-list", "prompts-get-simple", "prompts-get-with-args", "prompts-get-embedded-resource",
    "prompts-get-with-image", "json-schema-2020-12", "server-sse-polling",
]
# The suite notes (INFO) that answers came as JSON and not as an event stream: the gateway decides that at the first message.
ANSWERED_AS_JSON = {"server-sse-multiple-streams"}


def node(*words, **options):
    return subprocess.run([machine.NODE, *map(str, words)], capture_output=True, text=True, timeout=60,
                          env={"PATH": machine.TOOL_PATH, "HOME": str(pathlib.Path.home())}, **options)


def checks_of(scenario, url):
    """Runs one scenario: {status: number of checks}, the checks' ids, and the whole output."""
    with tempfile.TemporaryDirectory() as folder:
        done = node(SUITE, "server", "--url", url, "--scenario", scenario, "--spec-version", REVISION, "-o", folder)
        checks = [check for path in pathlib.Path(folder).glob("*/checks.json") for check in json.loads(path.read_text())]
    return collections.Counter(check["status"] for check in checks), sorted(check["id"] for check in checks), done.stdout + done.stderr + json.dumps(checks, indent=1)


@pytest.fixture(scope="module")
def served():
    """The same fixture twice: behind a gateway, and by its own SDK."""
    with machine.own_namespace():
        sdk = subprocess.Popen([machine.NODE, FIXTURE, "--http", str(SDK_PORT)], env={"PATH": machine.TOOL_PATH, "HOME": str(pathlib.Path.home())})
        gateway = Gateway(mcpServers={"fixture": {"command": str(machine.NODE), "args": [str(FIXTURE)], "prefix": "",
                                                  "env": {"CLAWQL_CACHE": str(machine.CACHE)}}})
        try:
            gateway.start()
            machine.eventually(lambda: f":{SDK_PORT} " in subprocess.run(["ss", "-Hltn"], capture_output=True, text=True).stdout, 10, "the SDK serves")
            with gateway.client() as client:  # the fixture has started once its tools are listed
                machine.eventually(lambda: any(tool["name"] == "test_simple_text" for tool in client.tools()), 15, "the fixture's tools are listed")
            yield f"http://localhost:{gateway.port}/mcp", f"http://localhost:{SDK_PORT}/mcp"
        finally:
            sdk.terminate()
            sdk.wait(10)
            gateway.stop()


@pytest.mark.parametrize("scenario", REQUIRED)
def test_scenario_passes_with_as_many_checks_as_behind_the_sdk(served, scenario):
    through_gateway, checks, output = checks_of(scenario, served[0])
    assert checks, f"no check ran: {output}"
    notes = 1 if scenario in ANSWERED_AS_JSON else 0
    assert through_gateway == collections.Counter({"SUCCESS": len(checks) - notes, **({"INFO": notes} if notes else {})}), output
    _, wanted, _ = checks_of(scenario, served[1])
    assert checks == wanted, output


def test_the_fixture_alone_fails_the_rebinding_scenario_so_it_is_the_gateway_that_passes_it(served):
    direct, _, output = checks_of("dns-rebinding-protection", served[1])
    assert direct["FAILURE"] == 1, output


def test_every_server_scenario_of_the_revision_is_either_required_or_listed_as_not_yet():
    text = node(SUITE, "list", "--requirements", REVISION).stdout.split("Server scenarios")[1].split("Client scenarios")[0]
    listed = {line.split()[1] for line in text.splitlines() if line.strip().startswith("- ")}
    assert listed, "the suite listed nothing"
    assert not set(REQUIRED) & set(NOT_YET)
    assert listed <= set(REQUIRED) | set(NOT_YET), listed - set(REQUIRED) - set(NOT_YET)
