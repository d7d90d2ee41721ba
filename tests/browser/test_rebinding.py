"""A real DNS rebinding in a real browser (strategy "multiple answers with 0.0.0.0"): the attacker's name resolves to the
attacker's address and to 0.0.0.0, and the attacker stops answering once the page is loaded. Shown first against an
unprotected server, which loses a planted secret; then with the gateway in its place."""
import json
import secrets

import pytest

from browser.lab import EVERYTHING, PORT, Lab, protected
from support import machine


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
    assert seen["host"] == f"{lab.name}:{PORT}"
    print(f"without the gateway: OWNED after {seen['after_ms']} ms, {len(seen['tools'])} tools, secret stolen")


def test_with_the_gateway_the_same_page_gets_403_and_the_server_is_never_called(lab):
    with protected(lab) as (one, secret, calls):
        before = one.refusals("guard.host")
        seen = lab.visit(tool="plain__environment")
        assert seen["result"] == "TARGET-REFUSED" and seen["status"] == 403, seen
        assert secret not in json.dumps(seen) and lab.name not in seen["body"]
        assert calls() == 0
        one.metric_reaches("guard.host", before + 1)
        assert any(lab.name in json.dumps(record) for record in one.audit_with("guard.host"))
        machine.eventually(lambda: any(lab.name in line and "allowedHosts" in line for line in one.log().splitlines()), 5,
                           "the operator's log names the host and the config line")
        print(f"with the gateway: 403 after {seen['after_ms']} ms, 0 calls")


def test_a_page_that_only_sends_get_requests_without_origin_gets_403_everywhere(lab):
    with protected(lab) as (one, _, calls):
        seen = lab.visit(mode="get")
        assert seen["result"] == "SEEN" and len(seen["statuses"]) == 6, seen
        assert set(seen["statuses"].values()) == {403}, seen
        assert calls() == 0
        one.metric_reaches("guard.host", 6)


def test_a_page_whose_host_and_origin_are_declared_works_so_it_was_the_guard_that_refused(lab):
    with protected(lab, allowedHosts=[lab.name], allowedOrigins=[f"http://{lab.name}:{PORT}"]) as (_, secret, calls):
        seen = lab.visit(tool="plain__environment")
        assert seen["result"] == "OWNED" and secret in seen["loot"], seen
        assert calls() == 1


def test_a_declared_host_with_an_origin_that_is_not_listed_gets_403(lab):
    with protected(lab, allowedHosts=[lab.name], allowedOrigins=["http://other.example"]) as (one, secret, calls):
        seen = lab.visit(tool="plain__environment")
        assert seen["result"] == "TARGET-REFUSED" and seen["status"] == 403, seen
        assert secret not in json.dumps(seen) and calls() == 0
        one.metric_reaches("guard.origin", 1)


def test_a_gateway_on_the_unix_socket_alone_is_out_of_the_pages_reach(lab):
    with protected(lab, listen={"http": False}) as (_, _, calls):
        seen = lab.visit(tool="plain__environment", give_up_ms=5000)
        assert seen["result"] == "GAVE-UP", seen
        assert calls() == 0
