"""A real DNS rebinding in a real browser (strategy "multiple answers with 0.0.0.0"): the attacker's name resolves to the
attacker's address and to 0.0.0.0, and the attacker stops answering once the page is loaded. Shown first against an
unprotected server, which loses a planted secret; then with the gateway in its place."""
import secrets

import pytest

from browser.lab import PORT, Lab
from support import machine

EVERYTHING = machine.MODULES / "@modelcontextprotocol" / "server-everything" / "dist" / "index.js"


@pytest.fixture
def lab():
    with Lab() as one:
        yield one


def test_without_a_gateway_the_page_takes_the_server_over_and_steals_its_secret(lab):
    secret = secrets.token_hex(16)
    with open(lab.folder / "server.log", "wb") as log:
        lab.run(lab.victim, [machine.NODE, EVERYTHING, "streamableHttp"], stdout=log, stderr=log,
                env={"PATH": machine.TOOL_PATH, "PORT": str(PORT), "PLANTED_SECRET": secret})
    lab.listening(lab.victim, PORT)
    seen = lab.visit(tool="get-env")
    assert seen["result"] == "OWNED", seen
    assert len(seen["tools"]) >= 10
    assert secret in seen["loot"]
    print(f"unprotected: OWNED after {seen['after_ms']} ms")
    assert seen["host"].startswith("mz-")
