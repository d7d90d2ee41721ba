#!/usr/bin/python3
"""Compares the gateway with nginx and with other MCP gateways, in one run on this machine, and prints a table.

    bench/run.py [--seconds 3] [--connections 1,8,64] [--only PART-OF-A-NAME] [--json]

Needs root (everything runs in a network namespace of its own, since two of the peers listen on all interfaces), the release build with
`ninja -C build/release bench`, nginx, and for the peers npm and Go. CPU per request is what the kernel accounts to the target's processes
(/proc/PID/task/*/schedstat) between the first and the last counted request, the stdio server behind it not included.
"""

import argparse
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = pathlib.Path(os.environ.get("CLAWQL_BUILD", ROOT / "build/release"))
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")) / "clawql/bench"
ECHO = BUILD / "bench/bench_echo_server"
NAMESPACE = f"clawql-bench-{os.getpid()}"
PEERS = {"mcp-proxy": "6.7.19", "supergateway": "4.0.0"}
GO_PEER, GO_VERSION = "github.com/TBXark/mcp-proxy", "v0.43.2"


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
    """A server to measure: how it is started, and what the load generator must say to it."""

    def __init__(self, name, start, load, counts=lambda pid: comm(pid) != "bench_echo_serv"):
        self.name, self.start, self.load, self.counts = name, start, load, counts
        self.process = None

    def __enter__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="clawql-bench-"))
        self.log = open(self.folder / "log", "w")
        self.processes = self.start(self.folder, self.log)
        self.process = self.processes[0]
        wait_for_port(self.load[self.load.index("--port") + 1], self)
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

    def pids(self):
        return [pid for pid in descendants(self.process.pid) if self.counts(pid)]

    def measure(self, connections, seconds):
        command = [BUILD / "bench/bench_load", "--connections", connections, "--seconds", seconds, *self.load]
        load = inside(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if load.stdout.readline().strip() != "begin":
            sys.exit(f"{self.name}: {load.stderr.read()}\n{(self.folder / 'log').read_text()[-2000:]}")
        pids = self.pids()
        before = cpu_nanoseconds(pids)
        result = json.loads(load.stdout.readline())
        result["cpu_us"] = (cpu_nanoseconds(pids) - before) / 1000 / max(result["requests"], 1)
        load.wait()
        return result


def wait_for_port(port, target):
    for _ in range(600):
        if subprocess.run(["ip", "netns", "exec", NAMESPACE, "bash", "-c", f"exec 3<>/dev/tcp/127.0.0.1/{port}"],
                          stderr=subprocess.DEVNULL).returncode == 0:
            return
        if target.process.poll() is not None:
            break
        time.sleep(0.1)
    sys.exit(f"{target.name} does not listen on {port}:\n{(target.folder / 'log').read_text()[-2000:]}")


def start_gateway(folder, log):
    config = folder / "clawql.yaml"
    config.write_text(json.dumps({
        "listen": {"unix": {"path": str(folder / "run/gateway.sock"), "group": str(os.getgid())}, "http": {"bind": "loopback", "port": 8080}},
        "audit": {"path": str(folder / "audit.jsonl")},
        "mcpServers": {"echo": {"command": str(ECHO)}},
    }))
    config.chmod(0o600)
    process = inside([BUILD / "bin/clawql-api", "--config", config], stdout=log, stderr=log)
    return [process]


def nginx_config(folder, port, location):
    return f"""
worker_processes 1; daemon off; master_process off; pid {folder}/{port}.pid; error_log {folder}/{port}.log;
events {{ worker_connections 2048; }}
http {{
  access_log off; keepalive_requests 1000000000; client_body_temp_path {folder}/b{port}; proxy_temp_path {folder}/p{port};
  fastcgi_temp_path {folder}/f{port}; uwsgi_temp_path {folder}/u{port}; scgi_temp_path {folder}/s{port};
  upstream fast {{ server 127.0.0.1:8082; keepalive 128; keepalive_requests 1000000000; }}
  server {{ listen 127.0.0.1:{port}; {location} }}
}}"""


CONSTANT = """location / { default_type application/json; return 200 '{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"echo"}]}}'; }"""
PROXY = """location / { proxy_pass http://fast; proxy_http_version 1.1; proxy_set_header Connection ""; }"""


def start_nginx(port, location):
    def start(folder, log):
        file = folder / f"{port}.conf"
        file.write_text(nginx_config(folder, port, location))
        return inside(["nginx", "-c", file, "-e", folder / f"{port}.log"], stdout=log, stderr=log)
    return start


def start_nginx_proxy(folder, log):
    upstream = start_nginx(8082, CONSTANT)(folder, log)
    return [start_nginx(8083, PROXY)(folder, log), upstream]


def npm_peer(name, command):
    def start(_folder, log):
        home = CACHE / "npm"
        if not (home / "node_modules" / name).exists():
            home.mkdir(parents=True, exist_ok=True)
            packages = [f"{package}@{version}" for package, version in PEERS.items()]
            subprocess.run(["npm", "install", "--no-audit", "--no-fund", *packages], cwd=home, check=True, stdout=log, stderr=log)
        return [inside([home / "node_modules/.bin" / name, *command], stdout=log, stderr=log)]
    return start


def start_go_peer(folder, log):
    binary = CACHE / "go/mcp-proxy"
    if not binary.exists():
        # From a module of our own: the peer's has no version list at the module proxy.
        environment = {**os.environ, "GOBIN": str(binary.parent), "GOFLAGS": "-mod=mod"}
        for command in (["mod", "init", "bench"], ["get", "-tool", f"{GO_PEER}@{GO_VERSION}"], ["install", GO_PEER]):
            subprocess.run(["go", *command], check=True, cwd=folder, stdout=log, stderr=log, env=environment)
    config = folder / "config.json"
    config.write_text(json.dumps({
        "mcpProxy": {"baseURL": "http://127.0.0.1:8086", "addr": "127.0.0.1:8086", "name": "bench", "version": "1", "type": "streamable-http"},
        "mcpServers": {"echo": {"command": str(ECHO)}},
    }))
    return [inside([binary, "--config", config], stdout=log, stderr=log)]


ECHO_CALL = ["--arguments", "{}", "--tool"]
TARGETS = [
    Target("gateway, built-in tool", start_gateway, ["--port", "8080"]),
    Target("gateway, stdio server", start_gateway, ["--port", "8080", *ECHO_CALL, "echo__echo"]),
    Target("nginx, constant", lambda folder, log: [start_nginx(8081, CONSTANT)(folder, log)], ["--port", "8081", "--plain"]),
    Target("nginx, reverse proxy", start_nginx_proxy, ["--port", "8083", "--plain"]),
    Target("Go mcp-proxy, stdio server", start_go_peer, ["--port", "8086", "--path", "/echo/mcp", "--version", "2025-06-18", *ECHO_CALL, "echo"]),
    Target("npm mcp-proxy, stdio server", npm_peer("mcp-proxy", ["--host", "127.0.0.1", "--port", "8084", "--", ECHO]),
           ["--port", "8084", "--version", "2025-06-18", *ECHO_CALL, "echo"]),
    Target("npm supergateway, stdio server",
           npm_peer("supergateway", ["--stdio", str(ECHO), "--outputTransport", "streamableHttp", "--stateful", "--port", "8085", "--logLevel", "none"]),
           ["--port", "8085", "--version", "2025-06-18", *ECHO_CALL, "echo"]),
]


def memory_of_gateway():
    """PSS of all programs of the gateway: just started, and with 1,000 sessions that nobody uses any more."""
    target = TARGETS[0]
    with target:
        time.sleep(1)
        idle = proportional_kib(target.pids()) / 1024
        for _ in range(5):
            target.measure(200, 0.2)
        time.sleep(1)
        full = proportional_kib(target.pids()) / 1024
    return idle, full


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--seconds", type=float, default=3)
    arguments.add_argument("--connections", default="1,8,64")
    arguments.add_argument("--only", default="", help="substring of the targets to run")
    arguments.add_argument("--json", action="store_true")
    options = arguments.parse_args()
    levels = [int(n) for n in options.connections.split(",")]
    subprocess.run(["ip", "netns", "add", NAMESPACE], check=True)
    rows, memory = [], None
    try:
        subprocess.run(["ip", "-n", NAMESPACE, "link", "set", "lo", "up"], check=True)
        for target in TARGETS:
            if options.only not in target.name:
                continue
            with target:
                for connections in levels:
                    row = {"target": target.name, "connections": connections, **target.measure(connections, options.seconds)}
                    row["pss_mib"] = proportional_kib(target.pids()) / 1024
                    rows.append(row)
                    print(f"  {target.name}, {connections}: {row}", file=sys.stderr)
        if options.only in TARGETS[0].name:
            memory = memory_of_gateway()
    finally:
        subprocess.run(["ip", "netns", "delete", NAMESPACE])
    if options.json:
        print(json.dumps(rows, indent=1))
        return
    print("| target | connections | requests/s | CPU µs/request | p50 µs | p99 µs | wrong | memory (PSS) MiB |\n|---|--:|--:|--:|--:|--:|--:|--:|")
    for row in rows:
        print(f"| {row['target']} | {row['connections']} | {row['per_second']:.0f} | {row['cpu_us']:.1f} | {row['p50_us']:.0f} | {row['p99_us']:.0f} | {row['wrong']} | {row['pss_mib']:.1f} |")
    if memory:
        print(f"\nThe gateway's programs together (PSS): {memory[0]:.1f} MiB idle, {memory[1]:.1f} MiB after 1,000 sessions were opened.")


if __name__ == "__main__":
    main()
