"""Applying, keeping and taking back: nobody is locked out, whatever is killed."""
import os
import signal
import subprocess

import pytest

from support import machine
from .test_backends import CLAWQL, DECLARED, OPEN, clawql, expected, rules_of, service  # noqa: F401


def keepers(state):
    """Processes that hold a change of this state folder."""
    found = []
    for pid in machine.all_pids():
        try:
            if any(str(state) in os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")):
                found.append(machine.Process(pid))
        except OSError:
            continue
    return found


@pytest.fixture
def state(tmp_path):
    folder = tmp_path / "state"
    yield folder
    for one in keepers(folder):
        one.kill()


def apply(service, expected, state, seconds=60, backend="nftables", status=0):
    return clawql(service, "apply", "--backend", backend, "--expected", expected, "--state", state, "--yes", "--rollback-after", seconds, status=status)


@pytest.mark.parametrize("backend", ["nftables", "iptables"])
def test_a_change_that_nobody_confirms_is_taken_back(service, expected, state, backend):
    apply(service, expected, state, seconds=2, backend=backend)
    assert service.answers() == DECLARED
    machine.eventually(lambda: service.answers() == OPEN, 15, "the change is taken back")
    machine.eventually(lambda: not keepers(state), 5, "the keeper is gone")
    clawql(service, "confirm", "--state", state, status=2)


def test_a_change_that_is_confirmed_stays_and_leaves_nothing_running(service, expected, state):
    apply(service, expected, state, seconds=3)
    assert len(keepers(state)) == 1
    clawql(service, "confirm", "--state", state)
    machine.eventually(lambda: not keepers(state), 2, "the keeper is gone at once, not after its time")
    assert service.answers() == DECLARED


def test_taking_back_leads_to_the_rules_before_not_to_none(service, expected, state):
    apply(service, expected, state)
    clawql(service, "confirm", "--state", state)
    before = rules_of(service)
    expected.write_text(expected.read_text().replace("10.66.0.5/32", "10.66.0.6/32"))
    apply(service, expected, state, seconds=1)
    machine.eventually(lambda: not keepers(state), 10, "the keeper is done")
    assert rules_of(service) == before


def test_a_killed_keeper_leaves_a_change_that_the_next_command_takes_back(service, expected, state):
    apply(service, expected, state)
    for one in keepers(state):
        one.kill(signal.SIGKILL)
    machine.eventually(lambda: not keepers(state))
    assert service.answers() == DECLARED
    clawql(service, "remove", "--backend", "iptables", "--state", state, "--yes")  # any command of the kind
    assert service.answers() == OPEN


def test_a_second_change_waits_for_the_first(service, expected, state):
    apply(service, expected, state)
    apply(service, expected, state, status=2)
    clawql(service, "confirm", "--state", state)


def test_apply_asks_and_does_nothing_without_an_answer(service, expected, state):
    done = service.lab.host.run(CLAWQL, "firewall", "apply", "--backend", "nftables", "--expected", expected, "--state", state, check=False)
    assert done.returncode == 2 and "To be applied" in done.stdout
    assert rules_of(service) == ""


def test_a_script_that_fails_halfway_is_taken_back_at_once(service, expected, state):
    # The chain's name is taken by something that iptables-restore cannot fill for IPv6: IPv4 is done by then.
    service.lab.host.run("nft", "add table ip6 filter { map CLAWQL { type ipv6_addr : verdict; }; chain CLAWQL-INPUT { type filter hook output priority 0; }; }")
    service.lab.host.run("nft", "add rule ip6 filter CLAWQL-INPUT ip6 daddr vmap @CLAWQL")
    before = service.lab.host.run("iptables-save").stdout
    done = service.lab.host.run(CLAWQL, "firewall", "apply", "--backend", "iptables", "--expected", expected, "--state", state, "--yes", check=False)
    assert done.returncode == 2 and "not applied" in done.stderr, done.stdout + done.stderr
    assert "CLAWQL" not in service.lab.host.run("iptables-save").stdout and "CLAWQL" not in before
    assert service.answers()["10.66.0.6"]


@pytest.mark.parametrize("done", [0, 1, 2, 3, 4, 5])
def test_at_no_moment_is_iptables_wider_than_both(service, expected, state, done):
    """After each command of the script only what the old or the new rules let in gets in."""
    apply(service, expected, state, backend="iptables")
    clawql(service, "confirm", "--state", state)
    expected.write_text(expected.read_text().replace("10.66.0.5/32", "10.66.0.6/32").replace("fd66::5", "fd66::6"))
    commands, inside = [], False
    for line in clawql(service, "render", "--backend", "iptables", "--expected", expected).splitlines():
        if inside:
            commands[-1] += line + "\n"
            inside = line != "RULES"
        elif line and not line.startswith("#") and not line.startswith("set "):
            commands.append(line + "\n")
            inside = "<<'RULES'" in line
    assert len(commands) == 5
    service.lab.host.run("sh", "-s", text="".join(commands[:done]))
    old, new = DECLARED, {**DECLARED, "10.66.0.5": False, "10.66.0.6": True, "fd66::5": False, "fd66::6": True}
    seen = service.answers()
    assert all(not seen[source] or old[source] or new[source] for source in seen), seen
    assert done < 5 or seen == new
