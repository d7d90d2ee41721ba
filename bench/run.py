#!/usr/bin/python3
"""Compares the gateway with nginx and with other MCP gateways, in one run on this machine, and prints a table.

    bench/run.py [--seconds 3] [--connections 1,8,64] [--only PART-OF-A-NAME] [--json]

Needs root (everything runs in a network namespace of its own, since two of the peers listen on all interfaces), the release build with
`ninja -C build/release bench`, nginx, and for the peers npm and Go. What is counted stands in bench/lab.py.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import time

from lab import ECHO, Gateway, Load, Namespace, Target, inside

CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")) / "clawql/bench"
PEERS = {"mcp-proxy": "6.7.19", "supergateway": "4.0.0"}
GO_PEER, GO_VERSION = "github.com/TBXark/mcp-proxy", "v0.43.2"


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


OLDER = ["--version", "2025-06-18"]
ECHO_CALL = ["--arguments", "{}", "--tool"]
TARGETS = [
    (Gateway("gateway, built-in tool", 8080, {"echo": []}), []),
    (Gateway("gateway, stdio server", 8080, {"echo": []}), [*ECHO_CALL, "echo__echo"]),
    (Target("nginx, constant", lambda folder, log: [start_nginx(8081, CONSTANT)(folder, log)], ["--port", "8081"]), ["--plain"]),
    (Target("nginx, reverse proxy", start_nginx_proxy, ["--port", "8083"]), ["--plain"]),
    (Target("Go mcp-proxy, stdio server", start_go_peer, ["--port", "8086", "--path", "/echo/mcp"]), [*OLDER, *ECHO_CALL, "echo"]),
    (Target("npm mcp-proxy, stdio server", npm_peer("mcp-proxy", ["--host", "127.0.0.1", "--port", "8084", "--", ECHO]), ["--port", "8084"]),
     [*OLDER, *ECHO_CALL, "echo"]),
    (Target("npm supergateway, stdio server",
            npm_peer("supergateway", ["--stdio", str(ECHO), "--outputTransport", "streamableHttp", "--stateful", "--port", "8085", "--logLevel", "none"]),
            ["--port", "8085"]), [*OLDER, *ECHO_CALL, "echo"]),
]


def measure(target, options, connections, seconds):
    with Load(target, "--connections", connections, *options) as load:
        load.round(1)  # warm
        return load.round(seconds)


def memory_of_gateway():
    """PSS of all programs of the gateway: just started, and with 1,000 sessions that nobody uses any more."""
    with TARGETS[0][0] as target:
        time.sleep(1)
        idle = target.proportional_kib() / 1024
        with Load(target, "--connections", 16, "--sessions", 1000) as load:
            load.round(1)
        time.sleep(1)
        full = target.proportional_kib() / 1024
    return idle, full


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--seconds", type=float, default=3)
    arguments.add_argument("--connections", default="1,8,64")
    arguments.add_argument("--only", default="", help="substring of the targets to run")
    arguments.add_argument("--json", action="store_true")
    options = arguments.parse_args()
    levels = [int(n) for n in options.connections.split(",")]
    rows, memory = [], None
    with Namespace():
        for target, load in TARGETS:
            if options.only not in target.name:
                continue
            with target:
                for connections in levels:
                    row = {"target": target.name, "connections": connections, **measure(target, load, connections, options.seconds)}
                    row["pss_mib"] = target.proportional_kib() / 1024
                    rows.append(row)
                    print(f"  {target.name}, {connections}: {row}", file=sys.stderr)
        if options.only in TARGETS[0][0].name:
            memory = memory_of_gateway()
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
