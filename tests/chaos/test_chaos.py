"""Everything goes wrong at once, for a minute (CLAWQL_CHAOS_SECONDS): servers die, stall, flood and write garbage, the
configuration changes, the door is killed, and clients of both eras come, call and vanish. Every call gets its own answer, once and
in time, or its connection is seen to end; afterwards nothing is held that was not held before.
CLAWQL_CHAOS_SEED repeats a run's choices (though not its timing)."""
import asyncio
import collections
import os
import random
import time

import pytest

from chaos import members
from chaos.audit import CallsOfAudit
from chaos.counts import Counts, quiet
from chaos.ledger import Ledger
from chaos.monkey import Monkey, mended
from support import machine
from support.gateway import plain_server

SECONDS = float(os.environ.get("CLAWQL_CHAOS_SECONDS", "60"))
SEED = int(os.environ.get("CLAWQL_CHAOS_SEED", random.SystemRandom().randrange(1_000_000)))

CROWD = [(members.HttpMember, "port", 14), (members.HttpMember, "socket", 8), (members.StreamingMember, "port", 8), (members.ModernMember, "port", 8),
         (members.ModernMember, "socket", 4), (members.ListeningMember, "port", 6), (members.LineMember, "socket", 10), (members.ModernLineMember, "socket", 6),
         (members.OldMember, "port", 6), (members.OldMember, "socket", 2), (members.SlowReader, "port", 2), (members.SlowReader, "socket", 2), (members.Stranger, "port", 2)]

EVERYTHING = machine.MODULES / "@modelcontextprotocol" / "server-everything" / "dist" / "index.js"

# Errors of the log that this test makes on purpose.
EXPECTED_ERRORS = {"door.crash"}


def wild_server(name, *args, **entry):
    """Its name stands in its command, so that its process can be told from the others'."""
    return {"command": machine.PYTHON, "args": ["-B", str(machine.SERVERS / "wild.py"), name, *args], **entry}


def servers():
    return {"wild": wild_server("wild"), "dual": wild_server("dual", "both"), "plain": plain_server(), "changing": plain_server(env={"TURN": "0"}),
            "coming": plain_server(), "own": wild_server("own", isolation="session", start="lazy", maxInstances=24, instanceIdleSeconds=3),
            "everything": {"command": str(machine.NODE), "args": [str(EVERYTHING), "stdio"]}}


class World:
    def __init__(self, one, ledger):
        self.port, self.socket, self.ledger = one.port, one.socket, ledger


async def crowd(one, ledger, rng, seconds, monkey=None):
    """All of them for so long; returns when all have left."""
    world, numbers = World(one, ledger), iter(range(10_000))
    everybody = [kind(world, next(numbers), random.Random(rng.random()), getattr(world, where)) for kind, where, count in CROWD for _ in range(count)]
    until = time.monotonic() + seconds
    lives = [member.live(until) for member in everybody]
    await asyncio.gather(*lives, *([monkey.live(until)] if monkey else []))


def settled(one, namespace):
    """Waits until the load is gone and all servers are up, and counts."""
    machine.eventually(lambda: not quiet(one), 60, f"no session, request or byte is left: {quiet(one)}")
    machine.eventually(lambda: mended(one, [name for name in servers() if name != "own"]), 60, "all servers are ready")
    return Counts(one, namespace)


def errors_of_log(one):
    found = collections.Counter(record.get("event", record.get("raw")) for record in one.log_records() if record.get("level", "error") in ("error", "fatal"))
    return {event: count for event, count in found.items() if event not in EXPECTED_ERRORS}


@pytest.mark.timeout(SECONDS + 400)
def test_nothing_leaks_and_every_call_has_its_own_answer(gateway, namespace):
    print(f"CLAWQL_CHAOS_SEED={SEED} CLAWQL_CHAOS_SECONDS={SECONDS:.0f}")
    rng = random.Random(SEED)
    one = gateway(mcpServers=servers(), threads={"door": 2, "engine": 2}, audit={"fileBytes": 1 << 32},
                  limits={"sessionIdleSeconds": 10, "callSeconds": 5, "eventStreamSeconds": 1})
    machine.eventually(lambda: mended(one, [name for name in servers() if name != "own"]), 30, "all servers are ready")
    ledger = Ledger()
    # Each kind has been there once before the first count: the processes for 2026-07-28 start with the first call.
    asyncio.run(crowd(one, ledger, rng, 4))
    before = settled(one, namespace)
    print("before:", before)

    monkey = Monkey(one, namespace, ledger, rng)
    counts = []
    for part in range(3):
        now = time.monotonic()
        # The door is left alive in the last part, so that its memory can be compared.
        monkey.doors_end = now if part == 2 else now + SECONDS / (3 if part == 0 else 6)
        asyncio.run(crowd(one, ledger, rng, SECONDS / 3, monkey))
        counts.append(settled(one, namespace))
        print(f"part {part + 1}:", counts[-1], "\n ", ledger.summary())
    print("monkey:", dict(monkey.done), "errors in the log:", errors_of_log(one))

    assert not ledger.problems, "\n".join(ledger.problems)
    machine.eventually(lambda: not Counts(one, namespace).holds_more_than(before), 20, Counts(one, namespace).holds_more_than(before))
    for name, early, late in (("engine", counts[0], counts[2]), ("door", counts[1], counts[2]), ("supervisor", counts[0], counts[2])):
        assert early.pids[name] == late.pids[name], f"the {name} is another one"
        assert late.memory[name] < early.memory[name] * 1.05 + (2 << 20), f"{name}: {early.memory[name]} bytes, then {late.memory[name]}"
    assert not errors_of_log(one), errors_of_log(one)
    assert one.refusals("internal") == 0
    assert ledger.answered > ledger.asked / 2, ledger.summary()
    audit = CallsOfAudit(one.folder)
    assert not audit.problems, audit.problems[:5]
    assert ledger.answered <= audit.intents <= ledger.asked, (audit.intents, ledger.summary())
