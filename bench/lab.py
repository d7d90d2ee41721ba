"""What the benchmarks share: a network namespace, targets in it, load generators, and what the kernel accounts to them.

CPU is what the kernel accounts to the target's processes (/proc/PID/task/*/schedstat) from the first request of a round to the last
answer, the stdio servers behind it not included. Memory is PSS, so that what processes share is counted once.
"""

import json
import os
import pathlib
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = pathlib.Path(os.environ.get("CLAWQL_BUILD", ROOT / "build/release"))
ECHO = BUILD / "bench/bench_echo_server"
NAMESPACE = f"clawql-bench-{os.getpid()}"
IS_MODERN = ["--version", "2026-07-28"]


class Namespace:
    """Loopback of its own, so that nothing of this is reachable, for as long as `with` lasts."""

    def __enter__(self):
        subprocess.run(["ip", "netns", "add", NAMESPACE], check=True)
        subprocess.run(["ip", "-n", NAMESPACE, "link", "set", "lo", "up"], check=True)

    def __exit__(self, *_):
        subprocess.run(["ip", "netns", "delete", NAMESPACE])


def inside(command, **options):
    return subprocess.Popen(["ip", "netns", "exec", NAMESPACE, *map(str, command)], start_new_session=True, **options)


def descendants(pid):
    found = [pid]
    for parent in found:
        try:
            children = pathlib.Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        except OSError:
            continue
        found += map(int, children)
    return found


def comm(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def cpu_nanoseconds(pids):
    total = 0
    for pid in pids:
        for task in pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat"):
            total += int(task.read_text().split()[0])
    return total


def proportional_kib(pids):
    total = 0
    for pid in pids:
        for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1])
    return total


class Target:
    """A server to measure: `start(folder, log)` returns its processes, `load` is what the load generator must know of it."""

    def __init__(self, name, start, load):
        self.name, self.start, self.load = name, start, load
        self.process = None

    def __enter__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="clawql-bench-"))
        self.log = open(self.folder / "log", "w")
        self.processes = self.start(self.folder, self.log)
        self.process = self.processes[0]
        self.wait_for_port(self.load[self.load.index("--port") + 1])
        return self

    def __exit__(self, *_):
        for process in self.processes:
            pids = descendants(process.pid)
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                for pid in pids:
                    try:
                        os.kill(pid, signal.SIGKILL)
                    except ProcessLookupError:
                        pass
                process.wait()
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def wait_for_port(self, port):
        for _ in range(600):
            if subprocess.run(["ip", "netns", "exec", NAMESPACE, "bash", "-c", f"exec 3<>/dev/tcp/127.0.0.1/{port}"],
                              stderr=subprocess.DEVNULL).returncode == 0:
                return
            if self.process.poll() is not None:
                break
            time.sleep(0.1)
        sys.exit(f"{self.name} does not listen on {port}:\n{self.tail()}")

    def tail(self):
        return (self.folder / "log").read_text()[-2000:]

    def pids(self):
        return [pid for pid in descendants(self.process.pid) if comm(pid) != "bench_echo_serv"]

    def proportional_kib(self):
        return proportional_kib(self.pids())


class Gateway(Target):
    """The gateway with these servers, {name: arguments of the echo server}."""

    def __init__(self, name, port, servers):
        super().__init__(name, self.start_gateway, ["--port", str(port)])
        self.port = port
        self.servers = {name: {"command": str(ECHO), "args": arguments} for name, arguments in servers.items()}

    def start_gateway(self, folder, log):
        config = folder / "clawql.yaml"
        config.write_text(json.dumps({
            "listen": {"unix": {"path": str(folder / "run/gateway.sock"), "group": str(os.getgid())}, "http": {"bind": "loopback", "port": self.port}},
            "audit": {"path": str(folder / "audit.jsonl")},
            "mcpServers": self.servers,
        }))
        config.chmod(0o600)
        return [inside([BUILD / "bin/clawql-api", "--config", config], stdout=log, stderr=log)]


class Load:
    """A load generator with its connections, sessions or subscriptions open; each round is one measurement."""

    def __init__(self, target, *options, program="bench_load"):
        self.target = target
        self.process = inside([BUILD / "bench" / program, *target.load, *options], text=True,
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.expect()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()
        self.process.stderr.close()

    def expect(self):
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"{self.target.name}: {self.process.stderr.read()}\n{self.target.tail()}")
        return line

    def round(self, seconds):
        """What the generator says, and CPU µs of the target for each request (or delivery): of all programs, and of the engine."""
        pids = self.target.pids()
        engine = [pid for pid in pids if comm(pid) == "clawql-engine"]
        before, engine_before = cpu_nanoseconds(pids), cpu_nanoseconds(engine)
        self.process.stdin.write(f"{seconds}\n")
        self.process.stdin.flush()
        result = json.loads(self.expect())
        requests = max(result["requests"], 1)
        result["cpu_us"] = (cpu_nanoseconds(pids) - before) / 1000 / requests
        result["engine_us"] = (cpu_nanoseconds(engine) - engine_before) / 1000 / requests
        return result


def in_turns(loads, rounds, seconds):
    """{name: [results]} of the loads, one after the other and back again, so that what else the machine does meets them all."""
    for load in loads.values():
        load.round(seconds)  # caches warm, buffers grow
    results = {name: [] for name in loads}
    for number in range(rounds):
        for name, load in list(loads.items())[::-1 if number % 2 else 1]:
            result = load.round(seconds)
            if result["wrong"]:
                sys.exit(f"{name}: {result['wrong']} wrong answers")
            results[name].append(result)
            print(f"  round {number + 1}, {name}: {result['cpu_us']:.1f} µs", file=sys.stderr)
    return results


def median(results, key="cpu_us"):
    return statistics.median(result[key] for result in results)


def ratio(results, base, key="cpu_us"):
    """The median over the rounds of one's CPU to the other's in the same round."""
    return statistics.median(one[key] / other[key] for one, other in zip(results, base))
