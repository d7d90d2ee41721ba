"""The slow rebinding (first the attacker's address, then 127.0.0.1; a minute a try), and the one with the browser's own
protection on, where the attacking page itself lives in loopback space."""
import secrets

import pytest

from browser.lab import EVERYTHING, NO_LOCAL_NETWORK_CHECKS, PORT, SINK, WEB, Lab, protected
from support import machine

BROWSERS = {"protection off": (NO_LOCAL_NETWORK_CHECKS,),
            "protection on, page in loopback space": (f"--ip-address-space-overrides={WEB}:{PORT}=loopback,{WEB}:{SINK}=loopback",)}


@pytest.mark.timeout(180)
@pytest.mark.parametrize("browser", BROWSERS)
def test_without_a_gateway_the_server_is_taken_over(browser):
    secret = secrets.token_hex(16)
    with Lab("ft") as lab, open(lab.folder / "server.log", "wb") as log:
        lab.run(lab.victim, [machine.NODE, EVERYTHING, "streamableHttp"], stdout=log, stderr=log,
                env={"PATH": machine.TOOL_PATH, "PORT": str(PORT), "PLANTED_SECRET": secret})
        lab.listening(lab.victim, PORT)
        seen = lab.visit(BROWSERS[browser], seconds=120, tool="get-env", give_up_ms=100_000)
        assert seen["result"] == "OWNED" and secret in seen["loot"], seen


@pytest.mark.timeout(180)
@pytest.mark.parametrize("browser", BROWSERS)
def test_with_the_gateway_it_is_403(browser):
    with Lab("ft") as lab, protected(lab) as (one, secret, calls):
        seen = lab.visit(BROWSERS[browser], seconds=120, tool="plain__environment", give_up_ms=100_000)
        assert seen["result"] == "TARGET-REFUSED" and seen["status"] == 403, seen
        assert calls() == 0
        one.metric_reaches("guard.host", 1)
