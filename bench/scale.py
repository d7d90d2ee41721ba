#!/usr/bin/python3
"""How the gateway's cost depends on eras, sessions, servers and subscriptions: one run, and Markdown tables with the aims.

    bench/scale.py [--seconds 0.5] [--rounds 15] [--only eras|sessions|servers|subscriptions]

Needs root and `ninja -C build/release bench`. What is compared runs at the same time and is measured in turns, so that whatever else the
machine does meets both: CPU is the median of the rounds, a ratio the median of the ratios of each round. Wall time is not looked at.
"""

import argparse
import contextlib
import time

from lab import Gateway, IS_MODERN, Load, Namespace, in_turns, median, ratio

CONNECTIONS = ["--connections", 64]
STDIO = ["--arguments", "{}", "--tool"]
SESSIONS, SERVERS, SUBSCRIBERS = 10_000, 50, 1_000
MEMORY_AIM, FLAT_AIM = 8 * 1024, 1.10


def verdict(met):
    return "met" if met else "missed"


def table(head, rows):
    print(f"\n| {' | '.join(head)} |\n|{'---|' + '--:|' * (len(head) - 2) + '---|' if head[-1] == 'aim' else '---|' + '--:|' * (len(head) - 1)}")
    for row in rows:
        print(f"| {' | '.join(row)} |")


def flat_row(text, results, base):
    """CPU of a call in the smaller setting and in the larger. The engine's alone is steadier: no other program knows of sessions and
    servers, and what the door needs depends on how many requests it finds when it wakes up, which other work on the machine decides."""
    all_programs = ratio(results, base)
    cells = [f"{median(of, key):.1f}" for key in ("cpu_us", "engine_us") for of in (base, results)]
    return [text, *cells, f"{ratio(results, base, 'engine_us'):.2f} ×", f"{all_programs:.2f} × (at most {FLAT_AIM:.2f}: {verdict(all_programs <= FLAT_AIM)})"]


def flat_head(smaller, larger):
    return ["call, 64 connections, CPU µs", *(f"{program}, {size}" for program in ("all programs", "engine") for size in (smaller, larger)), "engine", "aim"]


def eras(stack, options):
    """Both eras at once on one gateway: clients, and the stdio servers that they call."""
    gateway = stack.enter_context(Gateway("eras", 8080, {"older": [], "modern": ["--modern"]}))
    tools = {"built-in tool": [], "stdio server, handshake era": [*STDIO, "older__echo"], "stdio server, 2026-07-28": [*STDIO, "modern__echo"]}
    loads = {}
    for name, call in tools.items():
        for era, version in (("session", []), ("2026-07-28", IS_MODERN)):
            loads[name, era] = stack.enter_context(Load(gateway, *CONNECTIONS, *version, *call))
    results = in_turns(loads, options.rounds, options.seconds)
    table(["call, 64 connections", "with a session, CPU µs", "2026-07-28, CPU µs", "2026-07-28 to session"],
          [[name, f"{median(results[name, 'session']):.1f}", f"{median(results[name, '2026-07-28']):.1f}",
            f"{ratio(results[name, '2026-07-28'], results[name, 'session']):.2f} ×"] for name in tools])


def sessions(stack, options):
    """What 10,000 sessions cost while nobody uses them, and what a call costs when they are all used."""
    few, many = (stack.enter_context(Gateway(name, port, {"echo": []})) for name, port in (("few", 8080), ("many", 8081)))
    with Load(many, *CONNECTIONS) as warm:
        warm.round(options.seconds)
    time.sleep(1)
    before = many.proportional_kib()
    loads = {"many": stack.enter_context(Load(many, *CONNECTIONS, "--sessions", SESSIONS))}
    time.sleep(1)
    each = (many.proportional_kib() - before) * 1024 / SESSIONS
    loads["few"] = stack.enter_context(Load(few, *CONNECTIONS, "--sessions", 10))
    results = in_turns(loads, options.rounds, options.seconds)
    after = (many.proportional_kib() - before) * 1024 / SESSIONS
    table(["sessions", "measured", "aim"],
          [[f"memory of one of {SESSIONS:,} that are idle (PSS of all programs)", f"{each:.0f} bytes", f"at most {MEMORY_AIM:,}: {verdict(each <= MEMORY_AIM)}"],
           ["the same, after each was used", f"{after:.0f} bytes", f"the same: {verdict(after <= MEMORY_AIM)}"]])
    table(flat_head("10 sessions", f"{SESSIONS:,}"), [flat_row("built-in tool, the sessions in turn", results["many"], results["few"])])


def servers(stack, options):
    """One configured server and 50: calls of the built-in tool, of one server, and of all in turn."""
    names = [f"echo{number}" for number in range(1, SERVERS + 1)]
    one = stack.enter_context(Gateway("one", 8080, {names[0]: []}))
    all_of_them = stack.enter_context(Gateway("all", 8081, {name: [] for name in names}))
    first = [*STDIO, f"{names[0]}__echo"]
    loads = {}
    for gateway in (one, all_of_them):
        loads[gateway.name, "built-in"] = stack.enter_context(Load(gateway, *CONNECTIONS))
        loads[gateway.name, "stdio"] = stack.enter_context(Load(gateway, *CONNECTIONS, *first))
    loads["all", "each"] = stack.enter_context(Load(all_of_them, *CONNECTIONS, *STDIO, ",".join(f"{name}__echo" for name in names)))
    results = in_turns(loads, options.rounds, options.seconds)
    table(flat_head("1 server", SERVERS),
          [flat_row("built-in tool", results["all", "built-in"], results["one", "built-in"]),
           flat_row("one and the same stdio server", results["all", "stdio"], results["one", "stdio"]),
           flat_row("all stdio servers in turn", results["all", "each"], results["one", "stdio"])])


def subscriptions(stack, options):
    """Notifications of one server to its subscribers; the call that makes the server send them is part of the cost."""
    cases = [("1 subscription, 1 notification a call", 1, 1), ("1 subscription, 100 notifications a call", 1, 100),
             (f"{SUBSCRIBERS:,} subscriptions, 1 notification a call", SUBSCRIBERS, 1)]
    loads, port = {}, 8080
    for name, subscribers, updates in cases:
        for era, version in (("session", []), ("listen", IS_MODERN)):
            gateway = stack.enter_context(Gateway(name, port, {"echo": []}))
            loads[name, era] = stack.enter_context(
                Load(gateway, "--subscribers", subscribers, "--updates", updates, *version, program="bench_deliver"))
            port += 1
    results = in_turns(loads, options.rounds, options.seconds)
    table(["CPU µs of a delivery, the call included", "resources/subscribe and a GET stream", "subscriptions/listen (2026-07-28)"],
          [[name, f"{median(results[name, 'session']):.1f}", f"{median(results[name, 'listen']):.1f}"] for name, _, _ in cases])


PARTS = {"eras": eras, "sessions": sessions, "servers": servers, "subscriptions": subscriptions}


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--seconds", type=float, default=0.5, help="of one round")
    arguments.add_argument("--rounds", type=int, default=15)
    arguments.add_argument("--only", choices=PARTS)
    options = arguments.parse_args()
    with Namespace():
        for name, part in PARTS.items():
            if options.only in (None, name):
                with contextlib.ExitStack() as stack:
                    part(stack, options)


if __name__ == "__main__":
    main()
