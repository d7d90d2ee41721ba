#!/usr/bin/python3
"""Measures `clawql ports audit` on a machine of its own with many sockets and processes, beside `ss -lntup`.

    bench/exposure_ports.py [--sockets 10000] [--processes 2000] [--runs 5] [--markdown]

Needs root (PID, mount and network namespaces) and the release build. Each number is the median of the runs: wall time, CPU time
(user + system) and peak resident memory of the one process (wait4). Everything that is started ends with the script.
"""

import argparse
import os
import pathlib
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = pathlib.Path(os.environ.get("CLAWQL_BUILD", ROOT / "build/release"))
CLAWQL = (BUILD if BUILD.is_absolute() else ROOT / BUILD) / "bin/clawql"


def measure(command, statuses):
    """(seconds, CPU seconds, MiB) of one run."""
    start = time.monotonic()
    pid = os.posix_spawn(command[0], command, os.environ, file_actions=[(os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0)])
    _, status, usage = os.wait4(pid, 0)
    seconds = time.monotonic() - start
    assert os.waitstatus_to_exitcode(status) in statuses, f"{command}: {os.waitstatus_to_exitcode(status)}"
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def fill(sockets, processes):
    """Listeners in many processes; they end when this one's PID namespace does."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    each, port = -(-sockets // processes), 10_000
    for _ in range(processes):
        held = []
        for _ in range(min(each, sockets - (port - 10_000))):
            one = socket.create_server(("127.0.0.1", port), backlog=1)
            one.set_inheritable(True)
            held.append(one)
            port += 1
        os.posix_spawn("/usr/bin/sleep", ["sleep", "infinity"], {})
        for one in held:
            one.close()


def inside(options):
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    fill(options.sockets, options.processes)
    with tempfile.TemporaryDirectory() as folder:
        expected = f"{folder}/ports.yaml"
        subprocess.run([CLAWQL, "ports", "declare", "-o", expected], check=True)
        rows = [("clawql ports audit", [str(CLAWQL), "ports", "audit", "--expected", expected], (0,)),
                ("clawql ports audit --json", [str(CLAWQL), "ports", "audit", "--json", "--expected", expected], (0,)),
                ("ss -lntup", ["/usr/bin/ss", "-lntup"], (0,)),
                ("ss -lntupxe", ["/usr/bin/ss", "-lntupxe"], (0,))]
        bar = "|" if options.markdown else ""
        print(f"{options.sockets} listening sockets in {options.processes} processes, median of {options.runs} runs")
        print(f"{bar} {'':28} {bar} {'wall ms':>8} {bar} {'CPU ms':>8} {bar} {'peak MiB':>8} {bar}")
        if options.markdown:
            print("|---|---|---|---|")
        for name, command, statuses in rows:
            runs = [measure(command, statuses) for _ in range(options.runs)]
            wall, cpu, memory = (statistics.median(column) for column in zip(*runs))
            print(f"{bar} {name:28} {bar} {wall * 1000:8.0f} {bar} {cpu * 1000:8.0f} {bar} {memory:8.1f} {bar}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sockets", type=int, default=10_000)
    parser.add_argument("--processes", type=int, default=2_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--markdown", action="store_true")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        inside(options)
        return 0
    assert os.geteuid() == 0, "needs root"
    return subprocess.run(["unshare", "--pid", "--mount", "--net", "--fork", "--kill-child", "--mount-proc",
                           sys.executable, __file__, "--inside", *sys.argv[1:]]).returncode


if __name__ == "__main__":
    sys.exit(main())
